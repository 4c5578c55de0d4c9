defmodule Bounded.Telemetry do
  @moduledoc false
  # Sends events if `:telemetry`, which is not a dependency, is present at run time: its module is loaded and its process
  # runs. Before that, no handler can be attached.

  @compile {:no_warn_undefined, :telemetry}

  @spec execute([atom, ...], map, map) :: :ok
  def execute(event, measurements, metadata) do
    if enabled?(), do: :telemetry.execute(event, measurements, metadata), else: :ok
  end

  # A process of the application `:telemetry`. Without it, as with `mix run --no-start`, each event would log a warning.
  @started :telemetry_handler_table

  @doc "Whether events can have handlers. Asked first, it saves measurements that no handler could receive."
  @spec enabled?() :: boolean
  def enabled?,
    do: function_exported?(:telemetry, :execute, 3) and Process.whereis(@started) != nil
end
