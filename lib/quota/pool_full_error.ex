defmodule Quota.PoolFullError do
  @moduledoc """
  Raised where `Quota.run/3` was called with `pool:` when the pool could not promise the memory.

  The work has not begun: it is safe to try again later, here or on another node. `plug_status` is 503, so that
  a request fails as "service unavailable" where Plug renders it; add a `retry-after` header.

  Fields, in bytes where they are figures:

    * `pool` - the pool's name
    * `asked` - the limit that was asked for
    * `charged` - bytes that this limit reserves in the pool: the limit and an allowance for overshoot
    * `free` and `size` - of the pool
    * `reason` - `:full`, `:queued` (others wait already), `:queue_full`, `:timeout`, or `:paused`: the node is short of
      memory, see `Quota.Pressure`
    * `holders` - `{label, bytes}` of the largest reservations, largest first; nil stands for runs without a label
    * `label` - the label of the refused run
  """

  alias Quota.Text

  @type reason :: :full | :queued | :queue_full | :timeout | :paused

  @type t :: %__MODULE__{
          pool: atom,
          asked: pos_integer,
          charged: pos_integer,
          free: non_neg_integer,
          size: pos_integer,
          reason: reason,
          holders: [{term, non_neg_integer}],
          label: term,
          plug_status: 503
        }

  defexception [
    :pool,
    :asked,
    :charged,
    :free,
    :size,
    :reason,
    :label,
    holders: [],
    plug_status: 503
  ]

  @impl true
  def message(error) do
    "#{Text.subject(error.label)} asked for #{Text.bytes(error.asked)} of the pool #{inspect(error.pool)}, " <>
      "which takes #{Text.bytes(error.charged)}; #{Text.bytes(error.free)} of " <>
      "#{Text.bytes(error.size)} are free#{why(error.reason)}. " <>
      "#{holders(error.holders)}Nothing was started: try again later"
  end

  defp why(:full), do: ""
  defp why(:queued), do: ", and others wait for them"
  defp why(:queue_full), do: ", and the wait queue is full"
  defp why(:timeout), do: ", and others did not make room in time"
  defp why(:paused), do: ", but this node is short of memory and admits nothing for now"

  defp holders([]), do: ""

  defp holders(holders) do
    "Held most by " <> Enum.map_join(holders, ", ", &holder/1) <> ". "
  end

  defp holder({nil, bytes}), do: "runs without a label (#{Text.bytes(bytes)})"

  defp holder({label, bytes}),
    do: "#{inspect(label, limit: 10, printable_limit: 100)} (#{Text.bytes(bytes)})"
end
