defmodule Bounded.Eventually do
  @moduledoc false
  # Waits for what becomes true soon.

  @doc "Runs the assertions again and again until they hold; fails as they do after `timeout` ms, unless given that of messages."
  def eventually(assertions, timeout \\ ExUnit.configuration()[:assert_receive_timeout]) do
    retry(assertions, System.monotonic_time(:millisecond) + timeout)
  end

  defp retry(assertions, deadline) do
    assertions.()
  rescue
    error in ExUnit.AssertionError ->
      if System.monotonic_time(:millisecond) > deadline, do: reraise(error, __STACKTRACE__)
      Process.sleep(5)
      retry(assertions, deadline)
  end
end
