defmodule Quota.TimeoutError do
  @moduledoc """
  Raised where `Quota.run/3` was called when the work took longer than its `:timeout`, in milliseconds.
  The work has been killed.
  """

  @type t :: %__MODULE__{
          timeout: non_neg_integer,
          limit: pos_integer,
          label: term
        }

  defexception [:timeout, :limit, :label]

  @impl true
  def message(error) do
    "#{Quota.Text.subject(error.label)} took longer than its timeout of #{error.timeout} ms and was killed"
  end
end
