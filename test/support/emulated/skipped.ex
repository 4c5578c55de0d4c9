defmodule Bounded.Test.Skipped do
  @moduledoc false
  # Prints the name of each test that needs a processor's own speed and was left out for it, for `bin/arm64` to repeat at its end.

  use GenServer

  @impl true
  def init(_), do: {:ok, nil}

  @impl true
  def handle_cast(
        {:test_finished, %{state: {:excluded, _}, tags: %{native_speed: true}} = test},
        state
      ) do
    IO.puts("== skipped: #{inspect(test.module)} #{test.name}: it needs a processor's own speed")
    {:noreply, state}
  end

  def handle_cast(_, state), do: {:noreply, state}
end
