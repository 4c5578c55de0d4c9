defmodule :telemetry do
  # Stands in for the library: counts the breaches that are reported and not enforced.

  def attach_many(_id, _events, _handler, _config), do: :ok
  def list_handlers(_prefix), do: [:counter]

  def execute(event, _measurements, metadata) do
    if List.last(event) == :breach and metadata[:enforced] == false,
      do: :counters.add(:persistent_term.get(__MODULE__), 1, 1)

    :ok
  end

  def count_breaches do
    :persistent_term.put(__MODULE__, :counters.new(1, []))
    started()
  end

  # Events are sent where the library's application runs, which is known by this name.
  defp started do
    spawn(fn ->
      Process.register(self(), :telemetry_handler_table)
      Process.sleep(:infinity)
    end)

    until_started()
  end

  defp until_started do
    if Process.whereis(:telemetry_handler_table), do: :ok, else: until_started()
  end

  def breaches, do: :counters.get(:persistent_term.get(__MODULE__), 1)
end
