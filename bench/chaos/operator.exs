defmodule Bench.Chaos.Operator do
  # What is done to the node one thing at a time: OTP's own supervisors do not stand a full process table while they start something,
  # and then the node ends by itself.

  alias Bench.Chaos.{Clients, Clock, Peer}

  @full_ms 150
  @down_ms 200

  @doc "`{name, fun}`."
  def all(pool) do
    [
      {"pool", fn -> kill_pool(pool) end},
      {"load", &load/0},
      {"compile", &compile/0},
      {"clock", &Clock.jump/0},
      {"native", &native/0},
      {"full", &full/0},
      {"disconnect", &Peer.disconnect/0},
      {"distribution", fn -> Peer.down_and_up(@down_ms) end}
    ]
  end

  @doc "Does them at random until the clients are to end."
  def work(operations) do
    unless Clients.stop?() do
      {name, fun} = Enum.random(operations)
      fun.()
      :ets.update_counter(:chaos_counts, {:attack, name}, 1, {{:attack, name}, 0})
      Process.sleep(:rand.uniform(400))
      work(operations)
    end
  end

  # Its supervisor starts it again.
  defp kill_pool(pool) do
    with pid when pid != nil <- Process.whereis(pool) do
      Process.exit(pid, :kill)
      until(fn -> Process.whereis(pool) not in [nil, pid] end)
    end
  end

  # A soft purge leaves alone whoever is still in the old code: to be killed for that is no fault of the library.
  defp load do
    {:ok, modules} = :application.get_key(:bounded, :modules)

    for module <- Enum.take_random(modules -- [Bounded.Native], 10),
        :code.soft_purge(module),
        do: {:module, ^module} = :code.load_file(module)
  end

  defp compile do
    quoted =
      quote do
        def answer, do: unquote(:rand.uniform(1_000))
      end

    {:module, module, _, _} = Module.create(Bench.Chaos.Made, quoted, Macro.Env.location(__ENV__))
    module.answer()
    :code.delete(module)
    :code.purge(module)
  end

  defp native, do: {:error, :on_load_failure} = :code.load_file(Bounded.Native)

  defp full do
    Clients.full()
    filled = fill([])
    until = System.monotonic_time(:millisecond) + @full_ms
    filled = refill(filled, until)
    for pid <- filled, do: Process.exit(pid, :kill)
    until(fn -> not Enum.any?(filled, &Process.alive?/1) end)
    Clients.full()
  end

  # What ends meanwhile makes room for others.
  defp refill(filled, until) do
    if System.monotonic_time(:millisecond) < until do
      Process.sleep(1)
      refill(fill(filled), until)
    else
      filled
    end
  end

  defp fill(filled) do
    fill([spawn(fn -> Process.sleep(:infinity) end) | filled])
  rescue
    SystemLimitError -> filled
  end

  defp until(fun) do
    unless fun.() do
      Process.sleep(1)
      until(fun)
    end
  end
end
