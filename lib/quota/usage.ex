defmodule Quota.Usage do
  @moduledoc """
  What a quota has in use, in bytes.

    * `heap`: process heaps, stacks and mailboxes
    * `binaries`: binaries larger than 64 bytes, which live outside the heaps
    * `native`: memory this library allocated that the VM does not see
    * `total`: everything together, nothing counted twice
    * `peak`: the largest `total` seen
  """

  @type t :: %__MODULE__{
          heap: non_neg_integer,
          binaries: non_neg_integer,
          native: non_neg_integer,
          total: non_neg_integer,
          peak: non_neg_integer
        }

  defstruct heap: 0, binaries: 0, native: 0, total: 0, peak: 0

  @doc false
  def from_tuple({heap, binaries, native, total, peak}) do
    %__MODULE__{heap: heap, binaries: binaries, native: native, total: total, peak: peak}
  end
end
