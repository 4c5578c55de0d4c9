defmodule BoundedXml.Encode.ChargeTest do
  # Measures the memory of the VM.
  use ExUnit.Case, async: false

  alias Bounded.Test.{Accounts, Calls}

  test "a quota without room refuses the writer, and what it took comes back" do
    tree = Enum.reduce(1..20_000, "x", fn n, tree -> {"element-#{n}", [], [tree]} end)

    account =
      Accounts.in_account(100_000, fn _account ->
        assert_raise Quota.ExceededError, fn -> BoundedXml.encode(tree) end
      end)

    Accounts.assert_refunded(account)
  end

  test "what is refused in the middle is written once garbage has given its memory back" do
    wide = for n <- 1..5_000, do: {"b", [], ["t#{n}", "\n ", "\n "]}
    deep = Enum.reduce(1..4_000, "x", fn _, tree -> {"a", [], ["\n ", tree, "\n "]} end)
    tree = {"r", [], wide ++ [deep, "y", deep]}
    expected = BoundedXml.encode(tree)
    test = self()

    written =
      for limit <- 300_000..1_200_000//50_000 do
        Accounts.in_account(limit, fn _account ->
          garbage(200_000)
          send(test, {:written, encoded(tree)})
        end)

        assert_received {:written, written}
        written
      end

    assert Enum.uniq(written) == [:refused, expected]
  end

  defp garbage(bytes), do: BoundedBinary.copy(String.duplicate("x", bytes)) |> byte_size()

  defp encoded(tree) do
    BoundedXml.encode(tree)
  rescue
    Quota.ExceededError -> :refused
  end

  test "an enumeration that is left gives its memory back" do
    account =
      Accounts.in_account(10_000_000, fn account ->
        items = Stream.repeatedly(fn -> {"b", [], [String.duplicate("x", 1_000)]} end)
        items = Stream.concat([{:start_element, {"a", []}}], items)
        assert [_, _] = items |> BoundedXml.encode_stream() |> Enum.take(2)
        assert Accounts.eventually(fn -> Accounts.reserved(account) == 0 end)
      end)

    Accounts.assert_refunded(account)
  end

  @tag :native_speed
  test "no call takes long, whatever is written" do
    text = String.duplicate("<é>&\r", 1_000_000)
    deep = Enum.reduce(1..200_000, "x", fn _, tree -> {"a", [], [tree]} end)
    wide = {"a", [], for(n <- 1..200_000, do: {"b", [{"k", "#{n}"}], ["t"]})}
    tag = {"a", for(n <- 1..16_384, do: {"k#{n}", "v"}), []}

    escapes = {"a", for(n <- 1..16, do: {"k#{n}", String.duplicate("\r", 2_000)}), []}

    for tree <- [
          {"a", [{"k", text}], [text, {:cdata, text}]},
          {"a", [], List.duplicate(String.duplicate("<", 200), 10_000)},
          {"a", [], List.duplicate(escapes, 100)},
          deep,
          wide,
          tag
        ] do
      measured = Calls.measure(fn -> Calls.once(fn -> byte_size(BoundedXml.encode(tree)) end) end)

      assert measured.result > 100_000
      assert measured.over == 0, "#{div(measured.longest, 1000)} us"
    end
  end

  @tag :native_speed
  test "no call takes long, whatever text is escaped or unescaped" do
    for {text, options} <- [
          {String.duplicate("&", 1_000_000), []},
          {String.duplicate("€\r", 500_000), []},
          {String.duplicate("&zwnj;", 100_000), [entities: :html]},
          {String.duplicate("&#9;", 200_000), [entities: :html]},
          {String.duplicate("&#9;", 10_000) <> "&a;", [entities: %{"a" => "1"}]},
          {String.duplicate("&a;", 10_000), [entities: %{"a" => "1"}]}
        ] do
      work = fn ->
        if text =~ ";",
          do: byte_size(BoundedXml.unescape(text, options)),
          else: byte_size(BoundedXml.escape(text))
      end

      measured = Calls.measure(fn -> Calls.once(work) end)
      assert measured.result >= 10_000
      assert measured.over == 0, "#{div(measured.longest, 1000)} us"
    end
  end
end
