defmodule Quota.Usage do
  @moduledoc """
  The memory that a quota has in use, in bytes.

    * `heap`: process heaps, stacks and mailboxes
    * `binaries`: binaries larger than 64 bytes, which live outside the heaps
    * `native`: memory this library allocated that the VM does not see
    * `ets`: tables, where they are counted (`count: [:ets]`)
    * `total`: everything together, nothing counted twice
    * `peak`: the largest `total` seen
    * `peaks`: the largest figure seen of each kind, not all at the same time
    * `live`: `heap` and `binaries` after a collection; `reductions`: work done; `time`: microseconds.
      From `Quota.measure/1` only, else nil

  Figures of the VM are sampled: when a guard measures, when the VM kills, when the work calls `Quota.usage/0`.
  A peak between two samples is missed, so peaks are lower bounds; those of `native` are exact.
  """

  @type bytes :: non_neg_integer

  @type t :: %__MODULE__{
          heap: bytes,
          binaries: bytes,
          native: bytes,
          ets: bytes,
          total: bytes,
          peak: bytes,
          peaks: %{heap: bytes, binaries: bytes, native: bytes, ets: bytes},
          live: bytes | nil,
          reductions: non_neg_integer | nil,
          time: non_neg_integer | nil
        }

  defstruct heap: 0,
            binaries: 0,
            native: 0,
            ets: 0,
            total: 0,
            peak: 0,
            peaks: %{heap: 0, binaries: 0, native: 0, ets: 0},
            live: nil,
            reductions: nil,
            time: nil

  @doc false
  # `Quota.usage/0`.
  def own do
    Quota.Figures.observe_own()

    case Bounded.Native.own_usage() do
      nil -> nil
      {_limit, usage, _label} -> from_tuple(usage)
    end
  end

  @doc false
  def from_tuple({{heap, binaries, native, ets, total, peak}, peaks}) do
    {peak_heap, peak_binaries, peak_native, peak_ets} = peaks

    %__MODULE__{
      heap: heap,
      binaries: binaries,
      native: native,
      ets: ets,
      total: total,
      peak: peak,
      peaks: %{heap: peak_heap, binaries: peak_binaries, native: peak_native, ets: peak_ets}
    }
  end
end
