defmodule Quota.Watch.Policy do
  @moduledoc false
  # How a guard watches. The limits are in the account.
  #
  #   * `children`, `ets`: whether these count too
  #   * `shared`: whether binaries that other processes also reference count in full
  #   * `enforce`: whether a breach kills, or is only reported
  #   * `report`: whether the guard sends the breach event; otherwise the caller does

  defstruct children: false, ets: false, shared: true, enforce: true, report: false

  # The usual policy is a constant.
  def new(%{count: [], mode: :enforce, shared_binaries: true}, false), do: %__MODULE__{}

  def new(options, report) do
    %__MODULE__{
      children: :children in options.count,
      ets: :ets in options.count,
      shared: options.shared_binaries,
      enforce: options.mode == :enforce,
      report: report or options.mode == :observe
    }
  end

  @doc "Whether the guard must start with the process, and not only when the process has run for a while."
  def eager?(%__MODULE__{children: false, ets: false, shared: true, enforce: true}), do: false
  def eager?(_), do: true
end
