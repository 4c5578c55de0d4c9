defmodule Bounded.Eventually do
  @moduledoc false
  # Waits for what becomes true soon.

  @doc "Runs the assertions again and again until they hold; fails as they do after `timeout` ms."
  def eventually(assertions, timeout \\ message_ms()) do
    retry(assertions, System.monotonic_time(:millisecond) + timeout)
  end

  # As long as for a message. A VM that a test starts is not told.
  defp message_ms, do: Application.get_env(:ex_unit, :assert_receive_timeout, 10_000)

  defp retry(assertions, deadline) do
    assertions.()
  rescue
    error in ExUnit.AssertionError ->
      if System.monotonic_time(:millisecond) > deadline, do: reraise(error, __STACKTRACE__)
      Process.sleep(5)
      retry(assertions, deadline)
  end
end
