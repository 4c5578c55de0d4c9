defmodule BoundedXml.ReduceTest do
  use ExUnit.Case, async: true

  alias BoundedXml.ParseError

  @document "<a x='1'>#{String.duplicate("<b>one &amp; two</b>", 5_000)}</a>"

  defp all(source, options \\ []) do
    source
    |> BoundedXml.reduce([], &{:cont, [&1 | &2]}, options)
    |> Enum.reverse()
  end

  test "gives the events of a stream, wherever the document is cut" do
    assert all(@document) == Enum.to_list(BoundedXml.stream(@document))

    small = "<a>one<b/><!-- c -->two</a>"
    options = [emit: [:comments], positions: true]
    expected = small |> BoundedXml.stream(options) |> Enum.to_list()
    assert all(for(<<byte <- small>>, do: <<byte>>), options) == expected
  end

  test "halting ends it: the rest is not read, and the source is closed" do
    owner = self()

    source =
      Stream.resource(
        fn -> 0 end,
        fn
          0 -> {["<a><b/>"], 1}
          _ -> raise "read on"
        end,
        fn _ -> send(owner, :closed) end
      )

    halt = fn
      {:start_element, {"b", []}}, count -> {:halt, {:halted, count}}
      _event, count -> {:cont, count + 1}
    end

    assert BoundedXml.reduce(source, 0, halt) == {:halted, 2}
    assert_received :closed
  end

  test "the source is closed when the function raises or throws, and when the document is at fault" do
    owner = self()

    source = fn document ->
      Stream.resource(
        fn -> [document] end,
        fn
          [] -> {:halt, []}
          [part] -> {[part], []}
        end,
        fn _ -> send(owner, :closed) end
      )
    end

    assert_raise RuntimeError, "mine", fn ->
      BoundedXml.reduce(source.("<a/>"), 0, fn _event, _acc -> raise "mine" end)
    end

    assert_received :closed

    assert catch_throw(BoundedXml.reduce(source.("<a/>"), 0, fn _, _ -> throw(:mine) end)) ==
             :mine

    assert_received :closed

    assert_raise ParseError, fn -> all(source.("<a></b>")) end
    assert_received :closed
  end

  test "the events before a fault are handed over" do
    seen = fn event, acc ->
      send(self(), event)
      {:cont, acc}
    end

    assert_raise ParseError, fn -> BoundedXml.reduce("<a>one<b></a>", nil, seen) end
    assert_received {:start_element, {"b", []}}
  end

  test "what the function returns is checked" do
    for wrong <- [:cont, {:suspend, 0}, {:ok, 0}] do
      assert_raise ArgumentError, ~r/must return \{:cont, acc\} or \{:halt, acc\}/, fn ->
        BoundedXml.reduce("<a/>", 0, fn _event, _acc -> wrong end)
      end
    end
  end

  test "wrong options and sources are refused" do
    assert_raise ArgumentError, fn -> all("<a/>", max_record_bytes: 5) end
    assert_raise ArgumentError, fn -> all(:none) end
  end
end
