defmodule Bounded.StubsTest do
  # A NIF that does not check its arguments takes the VM down, so each round runs in its own VM.
  use ExUnit.Case, async: true

  alias Bounded.Native
  alias Bounded.Test.{Churn, Garbage, Peer}

  @tag :tmp_dir
  @tag :native_speed
  test "no NIF takes the VM down, whatever it is given", %{tmp_dir: dir} do
    log = Path.join(dir, "last")
    peer = Peer.start()

    counts =
      try do
        Peer.call(peer, Garbage, :call, [:rand.uniform(1_000_000), 6_000, log])
      catch
        kind, reason -> flunk("#{kind} #{inspect(reason)} in #{inspect(File.read(log))}")
      end

    # Each was called, and what none of the garbage suits refuses it.
    assert counts |> Map.keys() |> Enum.sort() == Enum.sort(Garbage.names())
    {_answered, raised} = counts.binary_append
    assert raised > 0
    assert Peer.call(peer, Churn, :works?, [])
  end

  describe "what is no binary" do
    @allowed {false, false, false, false, false}
    @none [:a, 1, 1.5, nil, [], [1 | 2], {}, %{}, <<1::1>>, <<0::size(2_400_004)>>]

    test "is refused by every NIF that takes one" do
      {:ok, filling} = Native.binary_new(1_000)
      account = Native.account_new(self(), 1_000, nil, nil)
      {:ok, %{ref: parser}} = BoundedXml.Parser.new()
      part = :binary.copy("x", 128)

      for none <- [self(), make_ref(), fn -> 1 end | @none],
          call <- [
            &Native.binary_copy/1,
            &Native.binary_address/1,
            &Native.binary_adjacent(&1, part),
            &Native.binary_adjacent(part, &1),
            &Native.binary_slices(&1, [{0, 0}], false),
            &Native.binary_walk_term(&1, {0, 1, 0}, 1_000, @allowed, {"a@b", 1}),
            &Native.binary_walk_term("", {0, 1, 0}, 1_000, @allowed, {&1, 1}),
            &Native.binary_append(filling, &1),
            # nil stands for no label.
            &Native.account_new(self(), 1_000, nil, &1 || :none),
            &Native.account_stack(account, &1),
            &Native.xml_feed(parser, &1, 0, 0, false, []),
            &Native.kernel_file_open/1,
            &Native.kernel_file_read/1,
            &Native.usage_watch_start/1,
            &Native.usage_watch_order(&1, 0, 0, {0, 1, 1, 0}, {1_000, 1_000}),
            &Native.xml_encoding?/1
          ] do
        assert_raise ArgumentError, fn -> call.(none) end
      end
    end
  end

  test "slices lie within the binary as it is, whatever its size is said to be" do
    for binary <- ["abc", :binary.copy("x", 300_000)],
        {position, length} <- [{100, 300_000}, {-1, 1}, {3_000_000_000, 1}, {0, 1_000_000}],
        shared <- [true, false] do
      assert_raise ArgumentError, fn ->
        Native.binary_slices(binary, [{position, length}], shared)
      end
    end
  end

  test "a part of a document lies within its binary" do
    {:ok, %{ref: parser}} = BoundedXml.Parser.new()

    for {offset, length} <- [{0, 4}, {4, 0}, {3, 1}, {18_446_744_073_709_551_615, 1}] do
      assert_raise ArgumentError, fn ->
        Native.xml_feed(parser, "<a>", offset, length, false, [])
      end
    end
  end

  test "binaries that start on a byte are told from those that do not" do
    bytes = :binary.copy("x", 1_000)
    part = &binary_part(&1, &2, 128)
    assert Native.binary_adjacent(part.(bytes, 0), part.(bytes, 1))
    refute Native.binary_adjacent(part.(bytes, 0), part.(bytes, 2))
    refute Native.binary_adjacent(part.(bytes, 0), binary_part(bytes, 1, 129))

    <<_::1, first::binary-size(999), _::bits>> = bytes
    <<_::7, last::binary-size(999), _::bits>> = bytes

    for unaligned <- [first, last] do
      refute Native.binary_adjacent(part.(unaligned, 0), part.(unaligned, 1))
    end
  end
end
