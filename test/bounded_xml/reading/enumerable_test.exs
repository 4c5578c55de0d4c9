defmodule BoundedXml.EnumerableTest do
  use ExUnit.Case, async: true

  alias Bounded.Test.{Accounts, TrackedSource, Xml}

  @document "<r>" <> String.duplicate("<i a='1'>text</i>", 1_000) <> "</r>"
  @events @document |> BoundedXml.stream() |> Enum.to_list()
  @chunks Xml.cut(@document, 100)

  defp tracked(opts \\ []), do: @chunks |> TrackedSource.new(opts) |> BoundedXml.stream()

  defp assert_opened_and_closed_once do
    assert_received :opened
    assert_received :closed
    refute_received :opened
    refute_received :closed
  end

  test "running to the end closes once, and enumerating again starts again" do
    stream = tracked()
    refute_received :opened

    for _ <- 1..2 do
      assert Enum.to_list(stream) == @events
      assert_opened_and_closed_once()
    end
  end

  test "halting closes once" do
    assert Enum.take(tracked(), 5) == Enum.take(@events, 5)
    assert_opened_and_closed_once()
    assert Enum.take(tracked(), 0) == []
    refute_received :closed
  end

  test "raising, throwing and exiting in the reducer close once" do
    assert_raise RuntimeError, "stop", fn -> Enum.each(tracked(), fn _ -> raise "stop" end) end
    assert_opened_and_closed_once()
    assert catch_throw(Enum.each(tracked(), fn _ -> throw(:stop) end)) == :stop
    assert_opened_and_closed_once()
    assert catch_exit(Enum.each(tracked(), fn _ -> exit(:stop) end)) == :stop
    assert_opened_and_closed_once()
  end

  test "a malformed document closes once" do
    stream = BoundedXml.stream(TrackedSource.new(["<a>", "</b>", "</a>"]))
    assert_raise BoundedXml.ParseError, fn -> Stream.run(stream) end
    assert_opened_and_closed_once()
  end

  test "a source that raises is not closed by anyone else" do
    assert_raise RuntimeError, "broken pipe", fn ->
      Stream.run(tracked(raising: "broken pipe"))
    end

    assert_opened_and_closed_once()
  end

  test "suspending works, side by side" do
    assert Enum.zip(tracked(), BoundedXml.stream(@document)) == Enum.zip(@events, @events)
    assert_opened_and_closed_once()

    assert [tracked(), 1..3] |> Stream.zip() |> Enum.to_list() ==
             @events |> Enum.take(3) |> Enum.zip(1..3)

    assert_opened_and_closed_once()
  end

  test "an answer that Enumerable does not know closes the source" do
    assert_raise FunctionClauseError, fn ->
      Enumerable.reduce(tracked(), {:cont, nil}, fn _event, acc -> {:next, acc} end)
    end

    assert_receive :closed
    refute_received :closed
  end

  test "a suspended enumeration can be halted" do
    step = fn event, _acc -> {:suspend, event} end
    assert {:suspended, nil, continue} = Enumerable.reduce(tracked(), {:suspend, nil}, step)
    refute_received :opened
    assert {:suspended, {:start_document, []}, continue} = continue.({:cont, nil})
    assert {:suspended, {:start_element, {"r", []}}, continue} = continue.({:cont, nil})
    refute_received :closed
    assert {:halted, :enough} = continue.({:halt, :enough})
    assert_opened_and_closed_once()
  end

  test "counting and membership run the stream" do
    stream = BoundedXml.stream(@document)
    assert Enum.count(stream) == length(@events)
    assert Enum.member?(stream, {:end_document, {}})
    assert Enum.at(stream, 3) == Enum.at(@events, 3)
    assert Enum.slice(stream, 3..5) == Enum.slice(@events, 3..5)
  end

  @tag :tmp_dir
  test "files are closed, however it ends", %{tmp_dir: directory} do
    path = Path.join(directory, "document.xml")
    File.write!(path, @document)
    stream = BoundedXml.stream({:file, path}, chunk_bytes: 100)

    # On Linux every open file is a link in /proc.
    if File.dir?("/proc/self/fd") do
      assert Enum.count(stream) == length(@events)
      assert Enum.take(stream, 3) == Enum.take(@events, 3)
      assert_raise RuntimeError, fn -> Enum.each(stream, fn _ -> raise "stop" end) end
      refute open?(path)
      assert {:suspended, _, continue} = suspend_first(stream)
      assert open?(path)
      continue.({:halt, nil})
      refute open?(path)
    end
  end

  test "everything native is given back, however it ends" do
    account =
      Accounts.in_account(10_000_000, fn account ->
        stream = BoundedXml.stream(@chunks)
        assert Enum.count(stream) == length(@events)
        assert Accounts.reserved(account) == 0
        assert Enum.take(stream, 3) == Enum.take(@events, 3)
        assert Accounts.reserved(account) == 0
        assert_raise RuntimeError, fn -> Enum.each(stream, fn _ -> raise "stop" end) end
        assert Accounts.reserved(account) == 0
        assert {:suspended, _, _forgotten} = suspend_first(stream)
        assert Accounts.reserved(account) > 0
      end)

    Accounts.assert_refunded(account)
  end

  test "shows what it is, not the document" do
    assert inspect(BoundedXml.stream("<secret/>")) == "#BoundedXml.Stream<stream of 9 bytes>"
    assert inspect(BoundedXml.stream({:file, "a.xml"})) =~ ~s(stream of "a.xml")
    assert inspect(BoundedXml.select(["<a/>"], "a")) == "#BoundedXml.Stream<select of iodata>"
    assert inspect(BoundedXml.select(tracked(), "a")) =~ "select of an enumerable"
  end

  defp suspend_first(stream) do
    Enumerable.reduce(stream, {:cont, nil}, fn event, _acc -> {:suspend, event} end)
  end

  defp open?(path) do
    for(fd <- File.ls!("/proc/self/fd"), do: File.read_link("/proc/self/fd/#{fd}"))
    |> Enum.member?({:ok, Path.expand(path)})
  end
end
