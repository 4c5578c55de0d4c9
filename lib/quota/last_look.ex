defmodule Quota.LastLook do
  @moduledoc false
  # The work looks at itself as it ends, before anything is collected: it may have been over its limit and done before its
  # guard looked. What was garbage and collected before that, nobody has seen.

  alias Bounded.Native
  alias Quota.{Binaries, Figures}

  @doc """
  Whether the calling process, whose account this is, is over its limit or was seen over it. If so, the breach is recorded.

  One binary over the limit is a breach, garbage or not, and so is a heap that no collection would have fitted in. Everything
  else is collected first. `way` is `Quota.Figures.way/0`, asked before the work.
  """
  def over?(account, plan, way) do
    {heap, binaries, list} = Figures.own(way)

    if Native.account_ends_over(account, heap, binaries, not plan.children),
      do: judged_over?(account, plan, list),
      else: false
  end

  defp judged_over?(account, plan, list) do
    limit = Native.account_limit(account)

    cond do
      Native.account_cause(account) != nil -> true
      Binaries.largest(list, plan.shared) > limit -> record(account)
      not Figures.collectable?(self(), limit) -> record(account)
      over_collected?(account, plan) -> record(account)
      true -> false
    end
  end

  defp over_collected?(account, plan) do
    :erlang.garbage_collect()
    {heap, binaries, list} = Figures.own(:collected)
    binaries = max(binaries - Binaries.slack(list, plan.shared), 0)
    Native.account_ends_over(account, heap, binaries, not plan.children)
  end

  defp record(account) do
    Native.account_breach(account)
    true
  end
end
