defmodule Examples.Leak do
  @moduledoc """
  A server that leaks, how it is found, and the same server mended.

      mix run examples/leak/run.exs
  """

  defmodule Sessions do
    @moduledoc "Keeps the identifier that begins each request. `keep` makes of the part what is kept."
    use GenServer

    def start_link(keep), do: GenServer.start_link(__MODULE__, keep)

    def seen(server, request), do: GenServer.call(server, {:seen, request})

    @doc "Bytes that its identifiers need, and bytes that they keep alive. Measured inside: a copy of the state is not the state."
    def retained(server), do: GenServer.call(server, :retained)

    @impl true
    def init(keep), do: {:ok, %{keep: keep, ids: []}}

    @impl true
    def handle_call({:seen, <<id::binary-size(80), _::binary>>}, _from, state),
      do: {:reply, :ok, %{state | ids: [state.keep.(id) | state.ids]}}

    def handle_call(:retained, _from, state),
      do: {:reply, BoundedBinary.retained(state.ids), state}
  end

  @doc "The leak: a part of a binary keeps all of it."
  def leaking, do: Sessions.start_link(& &1)

  @doc "The mend: a copy of the part keeps nothing else."
  def mended, do: Sessions.start_link(&BoundedBinary.copy/1)

  @doc "Sends `count` requests of 100 KB."
  def load(server, count) do
    for n <- 1..count do
      id = n |> Integer.to_string() |> String.pad_leading(80, "0")
      :ok = Sessions.seen(server, id <> :binary.copy("x", 100_000))
    end

    # The last request is garbage of the server until it collects.
    :erlang.garbage_collect(server)
    :ok
  end

  @doc "What the Doctor says of `server`: its findings that name the process."
  def diagnosis(server) do
    %{findings: findings} = Bounded.Doctor.examine()
    Enum.filter(findings, &(&1.summary =~ inspect(server)))
  end

  def main(_arguments) do
    for {name, {:ok, server}} <- [{"leaking", leaking()}, {"mended", mended()}] do
      load(server, 1_000)
      %{needed: needed, kept: kept} = Sessions.retained(server)
      IO.puts("#{name}: #{needed} bytes needed, #{kept} kept")

      for finding <- diagnosis(server),
          do: IO.puts("  the Doctor: #{finding.summary}\n  #{finding.remedy}")

      GenServer.stop(server)
    end
  end
end
