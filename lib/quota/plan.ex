defmodule Quota.Plan do
  @moduledoc false
  # How a guard watches, apart from the limits, which are in the account.
  #
  #   * `children`, `ets`: what else counts
  #   * `shared`: whether binaries that others hold as well count in full
  #   * `enforce`: whether a breach is fatal, or only reported
  #   * `report`: whether the guard sends the event of a breach; otherwise the caller does

  defstruct children: false, ets: false, shared: true, enforce: true, report: false

  def new(options, report) do
    %__MODULE__{
      children: :children in options.count,
      ets: :ets in options.count,
      shared: options.shared_binaries,
      enforce: options.mode == :enforce,
      report: report or options.mode == :observe
    }
  end

  @doc "Whether the guard has to be there from the beginning, and not only after a moment."
  def eager?(%__MODULE__{children: false, ets: false, shared: true, enforce: true}), do: false
  def eager?(_), do: true
end
