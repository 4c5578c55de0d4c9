defmodule BoundedXml.MemoryTest do
  use ExUnit.Case, async: false

  # What large and hostile documents cost, and what dying processes leave behind.

  alias Bounded.Native
  alias Bounded.Test.Accounts

  @kib 1024
  @mib 1024 * 1024

  # A document of about `megabytes`, never in memory as a whole.
  defp feed(megabytes) do
    item =
      "<item id='1'><title>Some title &amp; more</title><text>some text or other</text></item>\n"

    chunk = String.duplicate(item, div(64 * @kib, byte_size(item)))
    chunks = div(megabytes * 1_000_000, byte_size(chunk))

    Stream.concat([
      ["<rss>"],
      Stream.repeatedly(fn -> chunk end) |> Stream.take(chunks),
      ["</rss>"]
    ])
  end

  # Consumes a stream in a process that charges an account of its own, and says what it took: the
  # parser's bytes at their highest, and the growth of the VM.
  defp consume(stream) do
    test = self()

    account =
      Accounts.in_account(Quota.gib(1), fn account ->
        :erlang.garbage_collect()
        before = :erlang.memory(:total)

        {events, grown} =
          Enum.reduce(stream, {0, 0}, fn
            _event, {n, grown} when rem(n, 50_000) == 0 ->
              {n + 1, max(grown, :erlang.memory(:total) - before)}

            _event, {n, grown} ->
              {n + 1, grown}
          end)

        {_heap, _binaries, _native, _total, peak} = Native.account_usage(account)
        send(test, {:consumed, events, peak, grown})
      end)

    assert_received {:consumed, events, peak, grown}
    Accounts.assert_refunded(account)
    {events, peak, grown}
  end

  @tag :native_speed
  test "100 MB stream in less than 1 MiB of native memory and 32 MiB of the VM's" do
    {events, native, grown} = consume(BoundedXml.stream(feed(100)))

    IO.puts(
      "memory: 100 MB, #{events} events: #{div(native, @kib)} KiB native, VM +#{div(grown, @kib)} KiB"
    )

    assert events > 8_000_000
    assert native < @mib
    assert grown < 32 * @mib
  end

  @tag :native_speed
  test "selecting from 20 MB takes no more" do
    {records, native, grown} = consume(BoundedXml.select(feed(20), "rss/item"))
    assert records > 200_000
    assert native < @mib
    assert grown < 32 * @mib
  end

  test "one giant text and one giant CDATA section pass in pieces" do
    x = String.duplicate("x", 64 * @kib)
    giant = fn open, close -> Stream.concat([[open], List.duplicate(x, 500), [close]]) end

    for stream <- [giant.("<r>", "</r>"), giant.("<r><![CDATA[", "]]></r>")] do
      {_events, native, grown} = consume(BoundedXml.stream(stream))
      assert native < @mib
      assert grown < 32 * @mib
    end
  end

  test "killed in the middle of a document, a process leaves no native byte" do
    account = Native.account_new(self(), Quota.mib(512), nil, nil)

    for round <- 1..200 do
      test = self()

      {pid, monitor} =
        spawn_monitor(fn ->
          Native.account_attach(account, self())
          items = Stream.cycle(["<a b='", String.duplicate("v", 9_000), "'>t</a>"])
          stream = ["<r>"] |> Stream.concat(items) |> BoundedXml.stream()
          send(test, {:started, self()})
          Enum.each(stream, fn _event -> :ok end)
        end)

      assert_receive {:started, ^pid}

      if rem(round, 2) == 0,
        do: assert(Accounts.eventually(fn -> Accounts.reserved(account) > 0 end))

      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^pid, _}
      Native.account_detach(account, pid)
    end

    Accounts.assert_refunded(account)
  end

  @tag :native_speed
  test "many small documents leave no native byte and no atom" do
    account =
      Accounts.in_account(Quota.mib(64), fn account ->
        document = fn n -> "<order id='#{n}'><line sku='a#{n}'>2</line></order>" end
        assert Enum.count(BoundedXml.stream(document.(0))) == 7
        atoms = :erlang.system_info(:atom_count)

        for n <- 1..10_000 do
          assert [_, {:start_element, {"order", _}} | _] =
                   Enum.to_list(BoundedXml.stream(document.(n)))

          assert Accounts.reserved(account) == 0
        end

        assert :erlang.system_info(:atom_count) == atoms
      end)

    Accounts.assert_refunded(account)
  end
end
