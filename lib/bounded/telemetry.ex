defmodule Bounded.Telemetry do
  @moduledoc false
  # Events go out when `:telemetry` is there at run time; it is no dependency. A module that nobody has
  # loaded has no handlers either.

  @compile {:no_warn_undefined, :telemetry}

  @spec execute([atom, ...], map, map) :: :ok
  def execute(event, measurements, metadata) do
    if enabled?(), do: :telemetry.execute(event, measurements, metadata), else: :ok
  end

  @doc "Whether anybody could be listening: worth asking before measuring something."
  @spec enabled?() :: boolean
  def enabled?, do: function_exported?(:telemetry, :execute, 3)
end
