defmodule Quota.Cluster.Placement do
  @moduledoc false
  # `Quota.run/3`: finds the node that runs the work.
  #
  #   here, if there is room -> one of two other nodes, asked -> ... -> the queue of this node, while looking elsewhere
  #
  # Each node decides itself whether it admits the work: `Quota.Cluster.Views` only say whom to ask. An attempt that was admitted
  # begins when `go/2` says so, and so a run has at most one that does.

  alias Quota.Cluster.{Attempt, Call, Outcome, Views}
  alias Quota.{Pool, PoolFullError, Run, TimeoutError}

  # The number of other nodes that refuse before a run waits or is refused.
  @most_asks 4
  # A run that waits looks for room elsewhere at intervals from this many milliseconds to twice as many.
  @look_ms 75

  @doc "`Quota.run/3`. `module` is that of the public function, which an exit names."
  def run(module, limit, fun, []) when is_function(fun), do: Run.run(module, limit, fun, [])

  def run(module, limit, fun, opts) do
    if is_function(fun) and not placed?(opts),
      do: Run.run(module, limit, fun, opts),
      else: place(module, limit, fun, opts, nil)
  end

  defp placed?([{:node, _} | _]), do: true
  defp placed?([_ | opts]), do: placed?(opts)
  defp placed?(_), do: false

  @doc "As `run/4`. Calls `placed` with the node that has admitted the work, before it begins."
  def place(module, limit, given, opts, placed) do
    %{options: options} = call = Call.new(module, limit, given, opts, placed)

    case options.node do
      node when node in [nil, node()] -> here(call)
      :any -> choose(%{call | others: :any}, true)
      [_ | _] = nodes -> choose(%{call | others: nodes -- [node()]}, node() in nodes)
      node -> there(Call.portable(call), node)
    end
  end

  ## Here

  defp here(%{options: options} = call) do
    run = prepare(call)
    Run.admit(options, run.account, run.granted)
    admitted(call, node())
    Run.launch(run)
  end

  defp prepare(call), do: Run.prepare(call.module, call.limit, call.fun, call.opts, call.options)

  defp choose(call, here) do
    call = %{call | table: Views.fetch!(call.options.pool)}
    Call.elsewhere!(call)
    if here, do: here_first(call), else: call |> Call.portable() |> ask()
  end

  defp here_first(%{options: options} = call) do
    run = prepare(call)

    case Pool.try_admit(options.pool, run.account, run.granted, options.label) do
      :ok ->
        admitted(call, node())
        Run.launch(run)

      {:refused, reason} ->
        Call.sendable!(%{call | run: run, reason: reason, context: run.context}) |> ask()
    end
  end

  ## One node

  defp there(%{options: options} = call, node) do
    waiting = options.pool_timeout != 0

    case node
         |> Attempt.start(call.limit, Call.sent_options(call, waiting), waiting)
         |> Attempt.answer() do
      {:admitted, attempt} ->
        go(call, attempt)

      {:refused, reason, view} ->
        refused!(call, node, reason, view)

      {:failed, kind, reason, stack} ->
        failed!(call, node, kind, reason, stack)

      {:version, _} = reason ->
        Outcome.unstarted!(node, reason, Call.mfa(call))

      {:lost, reason} ->
        if reason == :noconnection, do: Call.report(call, :lost, node, %{began: false})
        Outcome.unstarted!(node, reason, Call.mfa(call))
    end
  end

  ## The best of two

  defp ask(%{asks: @most_asks} = call), do: nowhere(call)

  defp ask(call) do
    case candidate(call) do
      nil -> nowhere(call)
      node -> ask(call, node)
    end
  end

  # A run that may not run here asks at least one node, since its view may be out of date.
  defp candidate(%{table: table, others: others, refused: refused} = call) do
    Views.choose(table, others, call.limit, refused) ||
      if(call.run == nil and call.asks == 0, do: Views.shortest_queue(table, others, refused))
  end

  defp ask(call, node) do
    case try_node(call, node) do
      {:admitted, attempt} -> go(call, attempt)
      {:no, call} -> ask(call)
    end
  end

  defp try_node(call, node) do
    Views.debit(call.table, node, call.limit)
    attempt = Attempt.start(node, call.limit, Call.sent_options(call, false), false)

    case Attempt.answer(attempt) do
      {:admitted, attempt} ->
        {:admitted, attempt}

      {:failed, kind, %TimeoutError{} = error, stack} ->
        failed!(call, node, kind, error, stack)

      answer ->
        case answer do
          {:refused, _, %Views{} = view} -> Views.correct(call.table, node, view)
          _ -> Views.credit(call.table, node, call.limit)
        end

        refused = [node | call.refused]

        {:no,
         %{call | refused: refused, last: last(call.last, node, answer), asks: call.asks + 1}}
    end
  end

  # That one node is too small says less than that another one is full.
  defp last({_, {:refused, _, _}} = last, _node, {:refused, :too_large, _}), do: last
  defp last(_last, node, answer), do: {node, answer}

  ## No room

  defp nowhere(%{options: %{pool_timeout: 0}} = call), do: refuse!(call)

  # Work within a quota of this node counts towards that quota, which a run through another process would not.
  defp nowhere(%{run: %{account: account} = run} = call) when run != nil do
    cond do
      call.reason == :too_large ->
        queue(call, queue_elsewhere(call))

      Bounded.Native.own_account() != nil ->
        Run.admit(call.options, account, run.granted)
        admitted(call, node())
        Run.launch(run)

      true ->
        Bounded.Native.account_close(account)
        queue(call, node())
    end
  end

  defp nowhere(call), do: queue(call, queue_elsewhere(call))

  defp queue_elsewhere(call), do: Views.shortest_queue(call.table, call.others, unable(call))

  # Nodes that cannot run it at all. Those that were only full have a queue.
  defp unable(%{last: {node, {:refused, :too_large, _}}, lost: lost}), do: [node | lost]
  defp unable(%{last: {_node, {:refused, _, _}}, lost: lost}), do: lost
  defp unable(call), do: call.refused

  defp queue(call, nil), do: refuse!(call)

  defp queue(call, node) do
    place = Attempt.start(node, call.limit, Call.sent_options(call, true), true)
    wait(%{call | refused: call.lost}, place)
  end

  # Keeps the place in the queue until another node has admitted the work.
  defp wait(call, %{node: node} = place) do
    case Attempt.answer(place, @look_ms + :rand.uniform(@look_ms)) do
      {:waiting, place} -> look(call, place)
      {:admitted, attempt} -> go(call, attempt)
      {:failed, kind, reason, stack} -> failed!(call, node, kind, reason, stack)
      {:lost, reason} when node == node() -> Outcome.unstarted!(node, reason, Call.mfa(call))
      answer -> nowhere(%{call | last: {node, answer}, refused: [node | call.refused], run: nil})
    end
  end

  defp look(call, place) do
    case Views.glance(call.table, call.others, call.limit, [place.node | call.lost]) do
      nil ->
        wait(call, place)

      node ->
        case try_node(call, node) do
          {:admitted, attempt} ->
            Attempt.cancel(place)
            go(call, attempt)

          {:no, call} ->
            wait(%{call | refused: call.lost}, place)
        end
    end
  end

  ## Refusals

  @spec refuse!(Call.t()) :: no_return
  defp refuse!(%{run: run, options: options} = call) when run != nil do
    Call.report(call, :refused, node(), %{reason: call.reason})
    refused = Enum.reverse(call.refused)

    # Too large for this node alone.
    reason =
      if call.reason == :too_large and Views.fits?(call.table, call.others, call.limit),
        do: :full,
        else: call.reason

    Pool.refuse!(options.pool, run.account, run.granted, options.label, reason, refused)
  end

  defp refuse!(%{last: {node, {:refused, reason, view}}} = call),
    do: refused!(call, node, reason, view)

  defp refuse!(%{last: {node, {:failed, kind, reason, stack}}} = call),
    do: failed!(call, node, kind, reason, stack)

  defp refuse!(call) do
    Call.report(call, :refused, nil, %{reason: :unreachable})

    raise PoolFullError,
      pool: call.options.pool,
      asked: call.limit,
      reason: :unreachable,
      label: call.options.label,
      nodes: Enum.reverse(call.refused)
  end

  @spec refused!(Call.t(), node, atom, term) :: no_return
  defp refused!(call, node, reason, view) do
    Call.report(call, :refused, node, %{reason: reason})
    Outcome.refused!(node, reason, view, call)
  end

  @spec failed!(Call.t(), node, atom, term, list) :: no_return
  defp failed!(call, node, kind, reason, stack) do
    with %PoolFullError{reason: why} <- reason,
         do: Call.report(call, :refused, node, %{reason: why})

    Outcome.failed!(node, kind, reason, stack)
  end

  ## Admitted

  defp go(call, %{node: node} = attempt) do
    admitted(call, node)

    case Attempt.go(attempt, call.mfa, call.context) do
      {:done, {:ok, result}} -> result
      {:done, {:raise, kind, reason, stack}} -> Outcome.raise!(node, kind, reason, stack)
      {:done, {:died, reason}} -> died(call, node, reason)
      {:lost, reason} -> died(call, node, reason)
    end
  end

  defp died(call, node, reason) do
    if Outcome.down?(node, reason), do: lost(call, node), else: exit({reason, Call.mfa(call)})
  end

  # The work may have begun, and may even have ended.
  defp lost(call, node) do
    Call.report(call, :lost, node, %{began: true})

    if call.options.retry == :safe and call.others != nil,
      do: again(call, node),
      else: exit({:nodedown, node})
  end

  defp again(call, node) do
    others = if call.others == :any, do: :any, else: List.delete(call.others, node)
    here = call.options.node == :any or node() in call.options.node
    lost = [node | call.lost]
    call = %{call | others: others, run: nil, last: nil, asks: 0, lost: lost, refused: lost}
    if here or others != [], do: choose(call, here), else: exit({:nodedown, node})
  end

  defp admitted(%{options: %{node: nil}}, _node), do: :ok

  defp admitted(call, node) do
    if call.placed, do: call.placed.(node)
    Call.report(call, :placed, node, %{})
    # It may run here, and did not.
    if node != node() and call.reason,
      do: Call.report(call, :spilled, node, %{reason: call.reason})

    :ok
  end
end
