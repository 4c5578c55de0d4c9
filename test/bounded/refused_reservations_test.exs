defmodule Bounded.RefusedReservationsTest do
  # A limit is reached where the figures of a test happen to reach it. Here each reservation that an operation makes is refused in
  # turn: that one alone, and with all that follow.
  use ExUnit.Case, async: false

  import Bounded.{Eventually, PlugServer}

  alias Bounded.Native
  alias Bounded.Test.{Operations, Xml}
  alias BoundedXml.{Parser, ParserError}

  @moduletag :tmp_dir
  @moduletag timeout: 120_000

  # More than any operation reserves: another N would be a test that never ends.
  @most 500

  # Where the processor is emulated, all would take minutes.
  @step Bounded.Test.Emulated.step()

  @reserve_nothing ["term_to_binary"]

  setup %{tmp_dir: dir} do
    pool = __MODULE__.Pool
    start_supervised!({Quota.Pool, name: pool, size: Quota.mib(64)})
    body = Xml.cut("<r>" <> String.duplicate("<item>x</item>", 8_000) <> "</r>", 65_536)
    %{inputs: Operations.inputs(dir, pool, conn(body)), pool: pool}
  end

  for {name, _} <- Operations.all() do
    test "#{name}: the documented error, and nothing is left", %{inputs: inputs, pool: pool} do
      {_, operation} = List.keyfind(Operations.all(), unquote(name), 0)
      operate = fn -> operation.(inputs) |> :erlang.term_to_binary() |> :erlang.md5() end

      raised =
        in_quota(fn ->
          expected = operate.()
          eventually(fn -> assert state().reserved == 0 end)
          state = state()

          refuse_each(operate, expected, state, false) +
            refuse_each(operate, expected, state, true)
        end)

      # What reserves nothing has nothing to be refused.
      assert raised > 0 or unquote(name) in @reserve_nothing
      assert %{reserved: 0, running: 0} = Quota.Pool.info(pool)
    end
  end

  # Refuses the first reservation, then the second and so on, until none is left. Returns how often the operation raised.
  defp refuse_each(operate, expected, state, lasting?) do
    Enum.reduce_while(1..@most//@step, 0, fn n, raised ->
      Native.refuse_reservation(n, lasting?)
      outcome = Operations.outcome(operate)
      {refused, _} = Native.refuse_reservation(0, false)

      case outcome do
        {:ok, result} ->
          assert result == expected, "another result when reservation #{n} is refused"

        {:error, error} ->
          assert %Quota.ExceededError{requested: requested} = error
          assert requested > 0 and refused > 0
      end

      # Neither charged memory, nor open files, nor messages, nor flags and keys of the process.
      eventually(fn -> assert state() == state end)
      raised = if elem(outcome, 0) == :error, do: raised + 1, else: raised

      cond do
        refused == 0 ->
          {:halt, raised}

        n + @step > @most ->
          flunk("more than #{@most} reservations")

        true ->
          assert operate.() == expected
          {:cont, raised}
      end
    end)
  end

  defp state do
    :erlang.garbage_collect()
    {_, reserved} = Native.refuse_reservation(0, false)
    {:garbage_collection, flags} = Process.info(self(), :garbage_collection)

    %{
      reserved: reserved,
      flags: Keyword.delete(flags, :minor_gcs),
      keys: Enum.sort(Process.get_keys()),
      messages: Process.info(self(), :messages),
      links: Process.info(self(), [:links, :monitors]),
      open: open_files()
    }
  end

  # Files of this test that the VM has open, where the system can tell.
  defp open_files do
    for link <- Path.wildcard("/proc/self/fd/*"),
        {:ok, path} <- [File.read_link(link)],
        String.contains?(path, "document.xml"),
        do: path
  end

  # In a process of its own with an account of its own, which is not killed.
  defp in_quota(fun), do: Quota.run(Quota.mib(512), fun, timeout: 100_000)

  test "a push parser goes on after a refusal, or is closed for good", %{inputs: inputs} do
    parts = Xml.cut(inputs.document, 1_000)

    outcomes =
      in_quota(fn ->
        expected = push(parts, 0)
        for n <- 1..60, do: {push(parts, n), n} |> judge(expected)
      end)

    # Both happen.
    assert :interrupted in outcomes
    assert :same in outcomes
  end

  # Feeds each part, and once more where it is refused.
  defp push(parts, n) do
    {:ok, parser} = Parser.new()
    {_, before} = Native.refuse_reservation(n, true)
    fed = Enum.flat_map(parts, &feed(parser, &1))
    Native.refuse_reservation(0, false)
    interrupted? = :interrupted in fed

    if interrupted? do
      # Given back at once, not when it is collected as garbage.
      {_, reserved} = Native.refuse_reservation(0, false)
      assert reserved < before
      assert {:error, %ParserError{reason: :interrupted}, []} = Parser.feed(parser, "x")
      assert {:error, %ParserError{reason: :interrupted}, []} = Parser.finish(parser)
      :interrupted
    else
      {:ok, last} = Parser.finish(parser)
      fed ++ last
    end
  end

  defp feed(parser, part) do
    events!(parser, part)
  rescue
    Quota.ExceededError ->
      Native.refuse_reservation(0, false)
      events!(parser, part)
  end

  defp events!(parser, part) do
    case Parser.feed(parser, part) do
      {:ok, events} -> events
      {:error, %ParserError{reason: :interrupted}, []} -> [:interrupted]
    end
  end

  defp judge({:interrupted, _n}, _expected), do: :interrupted

  defp judge({events, n}, expected) do
    assert text(events) == text(expected), "other events when reservation #{n} is refused"
    :same
  end

  # Text may come in other pieces.
  defp text(events) do
    events
    |> Enum.chunk_by(&match?({:characters, _}, &1))
    |> Enum.flat_map(fn
      [{:characters, _} | _] = pieces -> [{:characters, Enum.map_join(pieces, &elem(&1, 1))}]
      others -> others
    end)
  end
end
