defmodule Bounded.Facts.Probe do
  @moduledoc false
  # Calls built-in functions on a node: directly on this one, by `:erpc` on another, which needs nothing of this library.

  @enforce_keys [:node, :root, :word, :release]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          node: node,
          root: Bounded.KernelFile.root(),
          word: pos_integer,
          release: pos_integer
        }

  @timeout_ms 60_000
  # Items of one remote call: a few hundred kilobytes of answers.
  @batch 500

  @doc """
  A probe of `node`. Files of its kernel are read below `root`, which is for tests on recorded files of this node.

  Raises `ErlangError` (`{:erpc, :noconnection}`) if the node cannot be reached.
  """
  @spec new(node, Path.t()) :: t
  def new(node, root \\ "/") do
    release = call(node, :erlang, :system_info, [:otp_release])

    %__MODULE__{
      node: node,
      root: if(node == node(), do: root, else: &read(node, &1)),
      word: call(node, :erlang, :system_info, [:wordsize]),
      release: List.to_integer(release)
    }
  end

  defp read(node, path) do
    case call(node, :file, :read_file, [path]) do
      {:ok, text} -> text
      {:error, _} -> ""
    end
  end

  @doc "Calls a function on the node."
  @spec call(t | node, module, atom, list) :: term
  def call(%__MODULE__{node: node}, module, function, args),
    do: call(node, module, function, args)

  def call(node, module, function, args) when node == node(), do: apply(module, function, args)

  def call(node, module, function, args),
    do: :erpc.call(node, module, function, args, @timeout_ms)

  @doc "Calls a function on the node in a process of its own, also on this node: what it has looked at goes with that."
  @spec call_apart(t, module, atom, list) :: term
  def call_apart(%__MODULE__{node: node}, module, function, args),
    do: :erpc.call(node, module, function, args, @timeout_ms)

  @doc """
  Calls a function on the node: `{microseconds, result}`. It is timed there, so that neither the network nor this node counts.
  """
  @spec timed(t, module, atom, list) :: {non_neg_integer, term}
  def timed(probe, module, function, args),
    do: call(probe, :timer, :tc, [module, function, args])

  @doc """
  The node's `:erlang.memory/0` as a map: `{microseconds, memory}`. Raises `ArgumentError` for a VM that does not have it.
  """
  @spec memory(t) :: {non_neg_integer, %{atom => non_neg_integer}}
  def memory(probe) do
    {microseconds, memory} = timed(probe, :erlang, :memory, [])
    {microseconds, Map.new(memory)}
  rescue
    error in ErlangError ->
      if without_memory?(error.original),
        do:
          raise(
            ArgumentError,
            "the VM of #{probe.node} does not report its memory, because one of its allocators is switched off: start it without " <>
              "+M flags such as +Mea min, or +MBe false"
          ),
        else: reraise(error, __STACKTRACE__)
  end

  defp without_memory?(:notsup), do: true
  defp without_memory?({:exception, :notsup, _}), do: true
  defp without_memory?(_other), do: false

  @doc """
  Calls `fun`, a function of two arguments of a module of OTP, with each item and `argument`:
  `{microseconds, [{item, answer}]}`, timed on the node. For functions and items that do not raise.
  """
  @spec timed_answers(t, [term], (term, term -> term), term) :: {non_neg_integer, [{term, term}]}
  def timed_answers(probe, items, fun, argument) do
    items
    |> Enum.chunk_every(@batch)
    |> Enum.reduce({0, []}, fn batch, {spent, answers} ->
      arguments = List.duplicate(argument, length(batch))
      {microseconds, found} = timed(probe, :lists, :zipwith, [fun, batch, arguments])
      {spent + microseconds, Enum.zip(batch, found) ++ answers}
    end)
  end

  @doc """
  Calls `fun`, a function of two arguments of a module of OTP, with each item and `argument`, and folds `{item, answer}` into `acc`.
  On another node, in batches. A call that raises, such as of a port that was closed, answers `:undefined`.
  """
  @spec reduce(t, [term], (term, term -> term), term, acc, ({term, term}, acc -> acc)) :: acc
        when acc: term
  def reduce(%{node: node}, items, fun, argument, acc, reducer) when node == node() do
    Enum.reduce(items, acc, &reducer.({&1, answer(fun, &1, argument)}, &2))
  end

  def reduce(%{node: node}, items, fun, argument, acc, reducer) do
    items
    |> Enum.chunk_every(@batch)
    |> Enum.reduce(acc, fn batch, acc ->
      batch |> answers(node, fun, argument) |> Enum.reduce(acc, reducer)
    end)
  end

  # One item whose call raises spoils the batch: its items are then asked one by one.
  defp answers(batch, node, fun, argument) do
    arguments = List.duplicate(argument, length(batch))
    Enum.zip(batch, call(node, :lists, :zipwith, [fun, batch, arguments]))
  rescue
    error in ErlangError ->
      if match?({:exception, _, _}, error.original),
        do: for(item <- batch, do: {item, answer(&remote(node, fun, &1, &2), item, argument)}),
        else: reraise(error, __STACKTRACE__)
  end

  defp remote(node, fun, item, argument), do: call(node, :erlang, :apply, [fun, [item, argument]])

  defp answer(fun, item, argument) do
    fun.(item, argument)
  rescue
    _ -> :undefined
  end

  @doc """
  What `fun` returns, or `otherwise` if the node does not run this library, or a version of it whose functions answer differently.
  That the node cannot be reached any more is raised.
  """
  @spec if_known((() -> result), otherwise) :: result | otherwise
        when result: term, otherwise: term
  def if_known(fun, otherwise \\ nil) do
    fun.()
  rescue
    error in [ErlangError, UndefinedFunctionError, MatchError, FunctionClauseError] ->
      if lost?(error), do: reraise(error, __STACKTRACE__), else: otherwise
  end

  @doc "Whether an error says that the node cannot be reached, or does not answer."
  @spec lost?(Exception.t()) :: boolean
  def lost?(error), do: match?(%ErlangError{original: {:erpc, _}}, error)

  @doc "Bytes of `words` of the node."
  @spec bytes(t, non_neg_integer) :: non_neg_integer
  def bytes(%{word: word}, words), do: words * word
end
