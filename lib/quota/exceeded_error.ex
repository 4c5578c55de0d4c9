defmodule Quota.ExceededError do
  @moduledoc """
  Raised where `Quota.run/3` was called when the work went over its limit, and inside the work when
  native memory is refused.
  """

  @type category :: :heap | :binaries | :native | :result | :unknown

  @type t :: %__MODULE__{
          limit: pos_integer,
          category: category,
          requested: non_neg_integer | nil,
          label: term,
          usage: Quota.Usage.t()
        }

  defexception [:limit, :category, :requested, :label, usage: %Quota.Usage{}]

  @impl true
  def message(error) do
    "quota of #{error.limit} bytes exceeded (#{error.category}): #{error.usage.total} bytes in use"
  end
end
