defmodule Quota.Usage do
  @moduledoc since: "0.1.0"
  @moduledoc """
  The memory that a quota has in use, in bytes.

    * `heap`: process heaps, stacks and mailboxes
    * `binaries`: binaries larger than 64 bytes, which live outside the heaps
    * `native`: memory that this library allocated and the VM does not count
    * `ets`: ETS tables, with `count: [:ets]`
    * `total`: the sum, with nothing counted twice
    * `peak`: the largest measured `total`
    * `peaks`: the largest measured figure of each kind. They may be of different times
    * `live`: `heap` and `binaries` after a collection; `reductions`: reductions of the process; `time`: microseconds.
      Only `Quota.measure/1` sets them, otherwise they are nil

  Figures of the VM are sampled: when a guard measures, when the VM kills, when the work calls `Quota.usage/0`. Samples miss
  peaks between them, so peaks are lower bounds. Those of `native` are exact.
  """

  @typedoc "A number of bytes."
  @type bytes :: non_neg_integer

  @typedoc "Memory in use by kind, in bytes."
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
    Quota.Watch.ProcessStats.observe_own()

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
