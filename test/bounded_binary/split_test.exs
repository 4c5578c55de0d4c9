defmodule BoundedBinary.SplitTest do
  use ExUnit.Case, async: true

  alias BoundedBinary.{DecodeError, Referent}

  defp unaligned(binary) do
    <<_::3, unaligned::binary>> = <<0::3, binary::binary>>
    unaligned
  end

  defp chunks(binary, size),
    do: for(<<chunk::binary-size(size) <- binary>>, do: chunk) ++ rest(binary, size)

  defp rest(binary, size) do
    length = rem(byte_size(binary), size)
    if length == 0, do: [], else: [binary_part(binary, byte_size(binary) - length, length)]
  end

  test "split gives what String.split gives" do
    for text <- ["", ";", "a", "a;b", ";a;;b;", "a--b;c--"],
        separator <- [";", "--", [";", "--"], :binary.compile_pattern([";", "--"])],
        trim <- [true, false],
        binary <- [text, unaligned(text)] do
      assert Enum.to_list(BoundedBinary.split(binary, separator, trim: trim)) ==
               String.split(text, separator, trim: trim)
    end
  end

  test "a piece keeps nothing but itself alive" do
    field = String.duplicate("x", 1_000)
    body = Enum.join([field, field, String.duplicate("y", 1_000_000)], ";")

    for piece <- body |> BoundedBinary.split(";") |> Enum.take(2) do
      assert Referent.size(piece) in 1_000..1_256
    end

    [line] = (field <> "\n" <> body) |> BoundedBinary.lines() |> Enum.take(1)
    assert Referent.size(line) in 1_000..1_256
  end

  @tag :native_speed
  test "a large unaligned binary is copied once, not at every piece" do
    body = unaligned(String.duplicate("field;", 100_000))
    {time, count} = :timer.tc(fn -> body |> BoundedBinary.split(";") |> Enum.count() end)
    assert count == 100_001
    # Copied at every piece, it is 60 GB.
    assert time < 5_000_000
  end

  test "splitting ends within a limit that all pieces together exceed" do
    count =
      Quota.run(Quota.mib(16), fn ->
        # Each piece of 100 bytes takes some 200: 40 MB in all.
        "#{String.duplicate("x", 99)};"
        |> BoundedBinary.copy(40_000)
        |> BoundedBinary.split(";")
        |> Enum.count()
      end)

    assert count == 40_001
  end

  test "refuses what makes no sense" do
    assert_raise ArgumentError, fn -> BoundedBinary.split("abc", "") end
    assert_raise ArgumentError, fn -> BoundedBinary.split("abc", :a) end
    assert_raise ArgumentError, fn -> BoundedBinary.split("abc", {:bm, make_ref()}) end

    assert_raise ArgumentError, ~r/:trim must be a boolean/, fn ->
      BoundedBinary.split("abc", ",", trim: 1)
    end

    assert_raise ArgumentError, ~r/unknown keys/, fn ->
      BoundedBinary.split("abc", ",", parts: 2)
    end

    assert_raise ArgumentError, ~r/enumerable of binaries/, fn ->
      Enum.to_list(BoundedBinary.lines([1]))
    end

    assert_raise ArgumentError, ~r/max_bytes/, fn -> BoundedBinary.lines("a", max_bytes: 0) end
  end

  test "lines are the same however the source is cut" do
    text = "one\r\ntwo\n\n\r\nfour\rfive\n#{String.duplicate("six", 300)}\nlast"
    expected = ["one", "two", "", "", "four\rfive", String.duplicate("six", 300), "last"]
    assert Enum.to_list(BoundedBinary.lines(text)) == expected
    assert Enum.to_list(BoundedBinary.lines(unaligned(text))) == expected

    for size <- [1, 2, 3, 7, 100, 1_000] do
      assert text |> chunks(size) |> BoundedBinary.lines() |> Enum.to_list() == expected
      assert (text <> "\n") |> chunks(size) |> BoundedBinary.lines() |> Enum.to_list() == expected
    end

    assert Enum.to_list(BoundedBinary.lines("")) == []
    assert Enum.to_list(BoundedBinary.lines("\n")) == [""]
  end

  test "a line over max_bytes ends the stream with an error, wherever it is" do
    long = String.duplicate("x", 101)

    for text <- [long, "#{long}\n", "a\n#{long}", "a\n#{long}\nb\n"], size <- [1, 7, 1_000] do
      lines = text |> chunks(size) |> BoundedBinary.lines(max_bytes: 100)
      error = assert_raise DecodeError, fn -> Enum.to_list(lines) end
      assert {error.kind, error.plug_status} == {:limit, 413}
    end

    fits = String.duplicate("x", 100)
    assert fits |> BoundedBinary.lines(max_bytes: 100) |> Enum.to_list() == [fits]
  end

  test "a file of one endless line is read within a limit, and refused" do
    line = Stream.repeatedly(fn -> String.duplicate("x", 65_536) end)

    assert_raise DecodeError, fn ->
      Quota.run(Quota.mib(16), fn ->
        line |> BoundedBinary.lines(max_bytes: 1_000_000) |> Enum.count()
      end)
    end

    assert_raise Quota.ExceededError, fn ->
      Quota.run(Quota.mib(4), fn ->
        line |> BoundedBinary.lines(max_bytes: :infinity) |> Enum.count()
      end)
    end
  end
end
