# What `mix test` leaves out to stay quick, `bin/test` runs.
ExUnit.start(exclude: [:build, :conformance, :slow])

# Tests go over limits on purpose. The one of the log turns it on.
Application.put_env(:bounded, :log_breaches, false)

# Elixir words its own summary differently from release to release; `bin/test` adds this one up.
ExUnit.after_suite(fn %{total: total, failures: failed, excluded: excluded, skipped: skipped} ->
  passed = total - failed - excluded - skipped
  IO.puts("\nmix test: #{passed} passed, #{failed} failed, #{skipped} skipped")
end)
