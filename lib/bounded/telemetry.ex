defmodule Bounded.Telemetry do
  @moduledoc false
  # Sends events if `:telemetry`, which is not a dependency, is present at run time. Only its loaded module is looked for, since
  # handlers cannot be attached before it is loaded.

  @compile {:no_warn_undefined, :telemetry}

  @spec execute([atom, ...], map, map) :: :ok
  def execute(event, measurements, metadata) do
    if enabled?(), do: :telemetry.execute(event, measurements, metadata), else: :ok
  end

  # A process of the application `:telemetry`. Without it, as with `mix run --no-start`, each event would log a warning.
  @started :telemetry_handler_table

  @doc "Whether events can have handlers. Saves measurements for events without any."
  @spec enabled?() :: boolean
  def enabled?,
    do: function_exported?(:telemetry, :execute, 3) and Process.whereis(@started) != nil
end
