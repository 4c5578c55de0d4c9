defmodule Quota.Options do
  @moduledoc false
  # Validates the options in the caller's process, before anything starts.

  import Bitwise, only: [<<<: 2]

  @smallest 64 * 1024
  # 512 PiB. `Bounded.Vm.max_heap_size/3` bounds the multiple of it that the VM is given.
  @largest 1 <<< 59
  # The longest timeout of `receive`, in milliseconds: 49 days.
  @longest (1 <<< 32) - 1
  # The largest `:max_queue`, in messages.
  @most_messages (1 <<< 32) - 1
  # The default of `:max_children`, and its maximum: the process limit of a node.
  @children 10_000
  @most_children 134_217_727
  # The options that `run/3` and `put_limit/2` share.
  @common [
    label: nil,
    pool: nil,
    pool_timeout: 0,
    mode: :enforce,
    soft_limit: nil,
    max_queue: nil,
    count: [],
    max_children: nil,
    shared_binaries: true
  ]
  @run [timeout: :infinity, inherit: [], node: nil, retry: nil]

  defstruct @common ++ @run

  # Names without defaults, which the struct has: applying all of them twice costs a quarter of a microsecond.
  @known_in_common Keyword.keys(@common)
  @known @known_in_common ++ Keyword.keys(@run)

  @doc "The smallest limit in bytes: the VM ignores or refuses smaller ones."
  def smallest, do: max(@smallest, Bounded.Vm.min_heap_bytes())

  @doc "Validates the arguments of `Quota.run/3` and returns the options."
  def validate!(limit, fun, opts) do
    limit!(limit)
    work!(fun)
    options!(opts, limit, @known)
  end

  @doc "Validates the arguments of `Quota.put_limit/2` and returns the options."
  def validate!(limit, opts) do
    limit!(limit)
    options!(opts, limit, @known_in_common)
  end

  @doc "The largest limit in bytes: 512 PiB."
  def largest, do: @largest

  defp limit!(limit) when is_integer(limit) do
    unless limit >= smallest() and limit <= @largest do
      raise ArgumentError,
            "the limit must be from #{smallest()} to #{@largest} bytes, got: #{limit}. " <>
              "Quota.kib/1, mib/1 and gib/1 convert to bytes"
    end
  end

  defp limit!(limit) do
    raise ArgumentError,
          "the limit must be an integer from #{smallest()} to #{@largest}, in bytes, got: #{inspect(limit)}"
  end

  defp work!(fun) when is_function(fun, 0), do: :ok

  defp work!(other) do
    raise ArgumentError,
          "expected a function of no arguments or {module, function, arguments}, got: #{inspect(other, limit: 10)}"
  end

  @doc "Raises unless `fun` is a function of no arguments."
  def function!(fun) when is_function(fun, 0), do: :ok

  def function!(fun) do
    raise ArgumentError, "expected a function of no arguments, got: #{inspect(fun)}"
  end

  defp options!([], _limit, _known), do: %__MODULE__{}

  defp options!(opts, limit, known) do
    keyword!(opts)
    options = struct!(__MODULE__, Keyword.validate!(opts, known))
    timeout!(options.timeout)
    inherit!(options.inherit)
    pool!(options)
    node!(options)
    mode!(options.mode)
    soft_limit!(options.soft_limit, limit)
    max_queue!(options.max_queue)
    count!(options.count)
    shared_binaries!(options.shared_binaries)
    %{options | max_children: max_children!(options.max_children, options.count)}
  end

  @doc "Raises unless `opts` is a keyword list."
  def keyword!(opts) do
    unless Keyword.keyword?(opts) do
      raise ArgumentError, "the options must be a keyword list, got: #{inspect(opts, limit: 10)}"
    end
  end

  defp mode!(mode) when mode in [:enforce, :observe], do: :ok

  defp mode!(mode),
    do: raise(ArgumentError, ":mode must be :enforce or :observe, got: #{inspect(mode)}")

  defp soft_limit!(nil, _limit), do: :ok
  defp soft_limit!(soft, limit) when is_integer(soft) and soft > 0 and soft <= limit, do: :ok

  defp soft_limit!(soft, limit) do
    raise ArgumentError,
          ":soft_limit must be from 1 byte to the limit of #{limit} bytes, got: #{inspect(soft)}"
  end

  defp max_queue!(nil), do: :ok
  defp max_queue!(max) when is_integer(max) and max > 0 and max <= @most_messages, do: :ok

  defp max_queue!(max) do
    raise ArgumentError,
          ":max_queue must be from 1 to #{@most_messages} messages, got: #{inspect(max)}"
  end

  defp count!(count) do
    unless proper?(count) and Enum.all?(count, &(&1 in [:children, :ets])) do
      raise ArgumentError, ":count must be a list of :children and :ets, got: #{inspect(count)}"
    end
  end

  defp max_children!(nil, count), do: if(:children in count, do: @children)

  defp max_children!(most, count) when is_integer(most) and most in 0..@most_children do
    unless :children in count do
      raise ArgumentError,
            ":max_children limits the processes that count: [:children] counts: set both or neither"
    end

    most
  end

  defp max_children!(most, _count) do
    raise ArgumentError,
          ":max_children must be from 0 to #{@most_children} processes, got: #{inspect(most)}"
  end

  defp shared_binaries!(shared) when is_boolean(shared), do: :ok

  defp shared_binaries!(shared) do
    raise ArgumentError, ":shared_binaries must be true or false, got: #{inspect(shared)}"
  end

  defp timeout!(:infinity), do: :ok
  defp timeout!(timeout) when is_integer(timeout) and timeout in 0..@longest, do: :ok

  defp timeout!(timeout) do
    raise ArgumentError,
          ":timeout must be from 0 to #{@longest} milliseconds, or :infinity, got: #{inspect(timeout)}"
  end

  defp pool!(%{pool: nil, pool_timeout: 0}), do: :ok

  defp pool!(%{pool: nil}) do
    raise ArgumentError,
          ":pool_timeout is the time to wait for a :pool: pass :pool as well, or leave :pool_timeout out"
  end

  defp pool!(%{pool: pool}) when not is_atom(pool) do
    raise ArgumentError, ":pool must be the name of a Quota.Pool, got: #{inspect(pool)}"
  end

  defp pool!(%{pool_timeout: :infinity}), do: :ok

  defp pool!(%{pool_timeout: timeout}) when is_integer(timeout) and timeout in 0..@longest,
    do: :ok

  defp pool!(%{pool_timeout: timeout}) do
    raise ArgumentError,
          ":pool_timeout must be from 0 to #{@longest} milliseconds, or :infinity, got: #{inspect(timeout)}"
  end

  defp node!(%{node: nil, retry: nil}), do: :ok

  defp node!(%{node: nil}) do
    raise ArgumentError,
          ":retry says what to do when a :node is lost: pass :node as well, or leave :retry out"
  end

  defp node!(%{retry: retry}) when retry not in [nil, :safe] do
    raise ArgumentError,
          ":retry must be :safe, for work that may run twice, or left out, got: #{inspect(retry)}"
  end

  defp node!(%{node: [_ | _] = nodes} = options) do
    unless proper?(nodes) and Enum.all?(nodes, &name?/1), do: node_refused!(nodes)
    choosing!(options)
  end

  defp node!(%{node: :any} = options), do: choosing!(options)
  defp node!(%{node: node}), do: unless(name?(node), do: node_refused!(node))

  defp name?(node), do: is_atom(node) and node not in [nil, true, false, :any]

  defp node_refused!(node) do
    raise ArgumentError,
          ":node must be a node, a list of nodes or :any, got: #{inspect(node, limit: 10)}"
  end

  defp choosing!(%{pool: nil, node: node}) do
    raise ArgumentError,
          "node: #{inspect(node, limit: 10)} chooses by the room in a pool: pass :pool as well, or one node"
  end

  defp choosing!(_options), do: :ok

  defp inherit!(keys) do
    unless proper?(keys) do
      raise ArgumentError,
            ":inherit must be a list of process dictionary keys, got: #{inspect(keys, limit: 10)}"
    end
  end

  defp proper?(list), do: is_list(list) and not List.improper?(list)
end
