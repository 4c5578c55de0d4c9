defmodule Quota.PoolFullError do
  @moduledoc since: "0.1.0"
  @moduledoc """
  `Quota.run/3` and `Quota.put_limit/2` raise this error when the pool given with `pool:` does not admit the work.

  The work has not started, so it is safe to try again later, here or on another node. `plug_status` is 503
  ("service unavailable"), with which Plug responds. Add a `retry-after` header.

    * `pool` - the pool's name
    * `asked` - the limit of the refused work, in bytes
    * `charged` - bytes that this limit would reserve in the pool: the limit and an allowance for overshoot
    * `free` and `size` - of the pool, in bytes
    * `reason` - `:full`, `:queued` (earlier requests are waiting), `:queue_full`, `:timeout`, or `:paused` (the node is
      short of memory, see `Quota.Pressure`). With a list of nodes also `:unreachable` (none of them is connected and
      has a `Quota.Cluster`; there are no figures)
    * `holders` - `{label, bytes}` of the largest reservations, largest first; nil stands for runs without a label
    * `label` - the label of the refused run
    * `node` - the node whose pool the figures describe, or nil if it is this one
    * `nodes` - with `node: :any` or a list of nodes: the other nodes that refused the work
  """

  alias Bounded.Format

  @typedoc "Why the pool refused, see above."
  @type reason :: :full | :queued | :queue_full | :timeout | :paused | :unreachable

  @typedoc "A refusal: the pool and its figures, in bytes."
  @type t :: %__MODULE__{
          pool: atom,
          asked: pos_integer,
          charged: pos_integer | nil,
          free: non_neg_integer | nil,
          size: pos_integer | nil,
          reason: reason,
          holders: [{term, non_neg_integer}],
          label: term,
          node: node | nil,
          nodes: [node],
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
    :node,
    nodes: [],
    holders: [],
    plug_status: 503
  ]

  @impl true
  def message(%{reason: :unreachable} = error) do
    "#{Format.subject(error.label)} was not admitted to the pool #{inspect(error.pool)}: none of the nodes that it may " <>
      "run on is connected and has a Quota.Cluster of this pool. Nothing was started: try again later"
  end

  def message(error) do
    "#{Format.subject(error.label)} was not admitted to the pool #{inspect(error.pool)}#{on(error.node)}: its limit of " <>
      "#{Format.bytes(error.asked)} reserves #{Format.bytes(error.charged)}; #{Format.bytes(error.free)} of " <>
      "#{Format.bytes(error.size)} are free#{why(error.reason)}. " <>
      "#{holders(error.holders)}#{others(error.nodes)}Nothing was started: try again later"
  end

  defp on(nil), do: ""
  defp on(node), do: " on #{node}"

  defp why(:full), do: ""
  defp why(:queued), do: ", and earlier requests wait for them"
  defp why(:queue_full), do: ", and the wait queue is full"
  defp why(:timeout), do: ", and too few were released within the pool_timeout"
  defp why(:paused), do: ", but this node is short of memory and the pool admits nothing for now"

  defp holders([]), do: ""

  defp holders(holders) do
    "Largest reservations: " <> Enum.map_join(holders, ", ", &holder/1) <> ". "
  end

  defp others([]), do: ""
  defp others(nodes), do: "Refused as well by: #{Enum.map_join(nodes, ", ", &to_string/1)}. "

  defp holder({nil, bytes}), do: "runs without a label (#{Format.bytes(bytes)})"

  defp holder({label, bytes}),
    do: "#{inspect(label, limit: 10, printable_limit: 100)} (#{Format.bytes(bytes)})"
end
