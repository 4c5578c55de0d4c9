defmodule Quota.Cluster.Call do
  @moduledoc false
  # A call of `Quota.run/3` with `node:`, and what it has found out so far.

  alias Quota.Cluster.WireSize
  alias Quota.{Options, Preload, Telemetry}
  alias Quota.Run.{Captures, Context}

  defstruct [
    :module,
    :limit,
    # As the caller gave it, for exits.
    :given,
    :fun,
    # `{module, function, arguments}`, or nil for a closure.
    :mfa,
    :opts,
    :options,
    :context,
    :table,
    # The other nodes that may run it: `:any` or a list.
    :others,
    # The run that this node refused, and why; nil where this node may not run it.
    :run,
    :reason,
    :deadline,
    :started,
    # Called with the node when the work is admitted.
    :placed,
    # The last refusal or failure of another node.
    :last,
    # Nodes not to ask: those that refused, and those that were lost in mid call (`retry: :safe`).
    refused: [],
    lost: [],
    asks: 0
  ]

  @type t :: %__MODULE__{}

  @doc "A call of `Quota.run/3`."
  def new(module, limit, given, opts, placed) do
    {fun, mfa} = work(given)
    options = Options.validate!(limit, fun, opts)

    %__MODULE__{
      module: module,
      limit: limit,
      given: given,
      fun: fun,
      mfa: mfa,
      opts: opts,
      options: options,
      placed: placed,
      started: System.monotonic_time(),
      deadline: deadline(options.pool_timeout)
    }
  end

  defp work({module, function, arguments} = mfa)
       when is_atom(module) and is_atom(function) and is_list(arguments) do
    if List.improper?(arguments),
      do: {mfa, nil},
      else: {fn -> apply(module, function, arguments) end, mfa}
  end

  defp work(fun) when is_function(fun, 0) do
    case Function.info(fun, :type) do
      {:type, :external} ->
        {:module, module} = Function.info(fun, :module)
        {:name, name} = Function.info(fun, :name)
        {fun, {module, name, []}}

      {:type, :local} ->
        {fun, nil}
    end
  end

  defp work(other), do: {other, nil}

  @doc "Raises for work that only this node can run."
  def elsewhere!(%{mfa: nil, options: options}) do
    raise ArgumentError,
          "node: #{inspect(options.node, limit: 10)} may run the work on another node, which may have other code than this one, " <>
            "and a closure only runs in the code that made it: pass {module, function, arguments} or &Mod.fun/0, or leave :node out"
  end

  def elsewhere!(_call), do: :ok

  @doc "Measures what a node is sent, before it is asked."
  def portable(%{options: options} = call) do
    elsewhere!(call)
    Preload.ensure()
    call = %{call | context: Context.capture(options.inherit)}
    Captures.check!(call.fun, call.context, call.limit, options)
    sendable!(call)
  end

  @doc "As `portable/1`, for a call whose captures were measured."
  def sendable!(%{options: options, limit: limit, mfa: {_, _, arguments}} = call) do
    captured = [arguments | Context.captured(call.context)]

    unless WireSize.at_most?(captured, WireSize.most(limit, options.mode)),
      do: Captures.exceeded!(limit, options.label)

    call
  end

  @doc "The options of the run there. Keys to inherit are sent with the work."
  def sent_options(call, waiting) do
    opts = Keyword.drop(call.opts, [:node, :retry, :inherit, :pool_timeout])
    if waiting, do: [{:pool_timeout, left(call.deadline)} | opts], else: opts
  end

  @doc "Sends an event of this call."
  def report(call, event, node, metadata) do
    if Telemetry.enabled?() do
      refusals = call.asks + if(call.reason, do: 1, else: 0)
      Telemetry.cluster(event, call.options, call.limit, {call.started, refusals}, node, metadata)
    end

    :ok
  end

  @doc "The call that an exit names."
  def mfa(call), do: {call.module, :run, [call.limit, call.given, call.opts]}

  defp deadline(timeout) when timeout in [0, :infinity], do: timeout
  defp deadline(timeout), do: now() + timeout

  defp left(deadline) when deadline in [0, :infinity], do: deadline
  defp left(deadline), do: max(deadline - now(), 0)

  defp now, do: System.monotonic_time(:millisecond)
end
