defmodule Bench.Chaos.Clock do
  # The time of day that the node sees, which jumps while it runs. libfaketime answers for it. The clock of the machine stays as it is,
  # and so does the clock that only moves forward: the kernel promises that one.

  @variable "FAKETIME_TIMESTAMP_FILE"
  # From minutes to years, in seconds.
  @jumps [60, 3_600, 86_400, 400 * 86_400]

  @doc "Environment variables for the node, which reads its clock in `directory`. None where the library is absent."
  def environment(directory) do
    file = Path.join(directory, "clock")

    case library() do
      nil ->
        []

      library ->
        write(file, 0)

        for {name, value} <- [
              {"LD_PRELOAD", library},
              {@variable, file},
              {"FAKETIME_CACHE_DURATION", "1"},
              {"FAKETIME_DONT_FAKE_MONOTONIC", "1"},
              {"NO_FAKE_STAT", "1"}
            ],
            do: {to_charlist(name), to_charlist(value)}
    end
  end

  @doc "Sets the clock of this node and of its peer to a random time before or after the machine's."
  def jump do
    write(System.fetch_env!(@variable), Enum.random([-1, 1]) * :rand.uniform(Enum.random(@jumps)))
  end

  @doc "Is there a library that makes a clock jump?"
  def jumps?, do: library() != nil

  # The one for programs with threads.
  defp library, do: List.first(Path.wildcard("/usr/lib/*/faketime/libfaketimeMT.so.1"))

  # The node may read the file at any time, so it is replaced.
  defp write(file, seconds) do
    sign = if seconds < 0, do: "-", else: "+"
    File.write!(file <> ".new", "#{sign}#{abs(seconds)}\n")
    File.rename!(file <> ".new", file)
  end
end
