defmodule Quota.TimeoutError do
  @moduledoc since: "0.1.0"
  @moduledoc """
  `Quota.run/3` raises this error in the caller when the work took longer than its `:timeout`. The work has been killed.

    * `timeout` - the `:timeout`, in milliseconds
    * `limit` - the limit, in bytes
    * `label` - the label of the run
    * `node` - the node that ran the work (`node:`), or nil if it was this one
    * `plug_status` - 504, with which Plug responds
  """

  @typedoc "Work that took longer than its `timeout:`, in milliseconds."
  @type t :: %__MODULE__{
          timeout: non_neg_integer,
          limit: pos_integer,
          label: term,
          node: node | nil,
          plug_status: 400..599
        }

  defexception [:timeout, :limit, :label, :node, plug_status: 504]

  @impl true
  def message(error) do
    "#{Bounded.Format.subject(error.label, error.node)} took longer than its timeout of #{error.timeout} ms and was killed"
  end
end
