defmodule :telemetry do
  # Stands in for the library: counts the breaches that are reported and not enforced.

  def attach_many(_id, _events, _handler, _config), do: :ok
  def list_handlers(_prefix), do: [:counter]

  def execute(event, _measurements, metadata) do
    if List.last(event) == :breach and metadata[:enforced] == false,
      do: :counters.add(:persistent_term.get(__MODULE__), 1, 1)

    :ok
  end

  def count_breaches, do: :persistent_term.put(__MODULE__, :counters.new(1, []))
  def breaches, do: :counters.get(:persistent_term.get(__MODULE__), 1)
end
