# What `mix test` leaves out to stay quick, `bin/test` runs.
excluded = [:build, :conformance, :rabbitmq, :slow]

# `bin/arm64` sets it. An emulated processor takes ten to fifty times as long: tests that measure time or load, or keep a real one
# busy for seconds, have the tag `native_speed`. All others have time.
if Bounded.Test.Emulated.on?() do
  ExUnit.start(
    exclude: [:native_speed | excluded],
    formatters: [ExUnit.CLIFormatter, Bounded.Test.Skipped],
    timeout: 600_000,
    assert_receive_timeout: 60_000
  )
else
  # A busy machine may take longer than the default of 100 ms to start a process.
  ExUnit.start(exclude: excluded, assert_receive_timeout: 10_000)
end

# With `--cover`.
Bounded.Test.Cover.prepare("cover/vms")

# Tests go over limits on purpose. The one of the log turns it on.
Application.put_env(:bounded, :log_breaches, false)

# Elixir words its own summary differently from release to release; `bin/test` adds this one up.
ExUnit.after_suite(fn %{total: total, failures: failed, excluded: excluded, skipped: skipped} ->
  Bounded.Test.Cover.merge()
  passed = total - failed - excluded - skipped
  IO.puts("\nmix test: #{passed} passed, #{failed} failed, #{skipped} skipped")
end)
