# External terms, compressed data and paths, damaged at random: the library accepts and refuses what the VM does, with the same
# values, and raises no error but those that are documented.
#
#     MIX_ENV=test mix run bench/mutations.exs [SECONDS] [SEED]
#
# SECONDS are for each kind; 60 unless given. The seed is printed.
alias Bounded.Test.Mutations

{seconds, seed} =
  case Enum.map(System.argv(), &String.to_integer/1) do
    [] -> {60, System.system_time(:second)}
    [seconds] -> {seconds, System.system_time(:second)}
    [seconds, seed] -> {seconds, seed}
  end

IO.puts("OTP #{System.otp_release()}, Elixir #{System.version()}, seed #{seed}")

for kind <- Mutations.kinds() do
  :rand.seed(:exsss, seed)
  until = System.monotonic_time(:second) + seconds

  counts =
    fn -> Mutations.check(kind) end
    |> Stream.repeatedly()
    |> Stream.take_while(fn _ -> System.monotonic_time(:second) < until end)
    |> Enum.frequencies()

  IO.puts(
    "#{kind}: #{counts[:accepted] || 0} accepted, #{counts[:refused] || 0} refused, no difference"
  )
end
