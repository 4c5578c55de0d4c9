# Calls the NIFs with garbage: by default a million calls, each with arguments that its Elixir module would never give it.
#
#     MIX_ENV=test mix run bench/garbage.exs [CALLS] [SEED]
#
# A NIF that believes what it is given takes this VM down; the last call is then in the file that the first line names. At the end
# every kind of quota has to work, and no native memory to be left.
alias Bounded.Test.{Churn, Garbage}

{calls, seed} =
  case System.argv() do
    [] -> {1_000_000, 1}
    [calls] -> {String.to_integer(calls), 1}
    [calls, seed] -> {String.to_integer(calls), String.to_integer(seed)}
  end

log = Path.join(System.tmp_dir!(), "bounded_garbage_#{System.pid()}")
IO.puts("OTP #{:erlang.system_info(:otp_release)}, Elixir #{System.version()}; last call: #{log}")

totals = fn counts ->
  counts
  |> Map.values()
  |> Enum.reduce({0, 0}, fn {a, b}, {answered, raised} -> {answered + a, raised + b} end)
end

{microseconds, {answered, raised}} =
  :timer.tc(fn ->
    seed
    |> Stream.iterate(&(&1 + 1_000_000))
    |> Enum.reduce_while({0, 0}, fn seed, {answered, raised} ->
      {a, b} = seed |> Garbage.call(2_000, log) |> totals.()
      sum = {answered + a, raised + b}
      if answered + a + raised + b < calls, do: {:cont, sum}, else: {:halt, sum}
    end)
  end)

IO.puts(
  "#{answered + raised} calls in #{div(microseconds, 1_000_000)} s: #{answered} answered, #{raised} refused"
)

# What the garbage paused, closed or filled up is nobody's: only whether quotas work counts.
true = Churn.works?()
IO.puts("every kind of quota works")
File.rm(log)
