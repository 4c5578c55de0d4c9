defmodule BoundedXml.LimitsTest do
  # The native parser takes each limit by its name. Here each has a different value, which shows that none is used for another.
  use ExUnit.Case, async: true

  alias BoundedXml.ParseError

  @limits [
    max_name_bytes: 101,
    max_attribute_bytes: 1_003,
    max_token_bytes: 5_009,
    max_dtd_bytes: 6_011,
    max_entity_bytes: 7_013,
    max_text_bytes: 20_011,
    max_record_bytes: 30_011,
    max_depth: 17,
    max_attributes: 19,
    max_namespaces: 23,
    max_entities: 29,
    max_entity_expansions: 1_009,
    max_entity_depth: 5,
    max_amplification: 7,
    max_recoveries: 11,
    max_bytes: 100_003,
    max_elements: 37
  ]

  defp x(count), do: String.duplicate("x", count)
  defp repeated(count, text), do: String.duplicate(text, count)
  defp numbered(count, fun), do: Enum.map_join(1..count, fun)
  defp dtd(declarations, content), do: "<!DOCTYPE r [#{declarations}]><r>#{content}</r>"

  defp failure(document, opts \\ []) do
    opts = Keyword.delete(@limits, :max_record_bytes) ++ opts
    document |> BoundedXml.stream(opts) |> Stream.run()
    :none
  rescue
    error in ParseError -> {error.limit, error.value, error.seen}
  end

  defp exceeding(limit), do: {limit, @limits[limit], @limits[limit] + 1}

  test "all have different values" do
    assert @limits |> Keyword.values() |> Enum.uniq() |> length() == length(@limits)
  end

  for {limit, document, opts} <- [
        {:max_name_bytes, quote(do: "<#{x(102)}/>"), []},
        {:max_attribute_bytes, quote(do: "<r a='#{x(1_004)}'/>"), []},
        {:max_token_bytes, quote(do: "<r><!--#{x(5_010)}--></r>"), [emit: [:comments]]},
        {:max_dtd_bytes, quote(do: dtd(repeated(6_011, " "), "")), []},
        {:max_text_bytes, quote(do: "<r>#{x(20_012)}</r>"), [text: :joined]},
        {:max_depth, quote(do: repeated(18, "<r>")), []},
        {:max_attributes, quote(do: "<r #{numbered(20, &"a#{&1}='' ")}/>"), []},
        {:max_namespaces,
         quote(do: numbered(12, &"<r xmlns:a#{&1}='a' xmlns:b#{&1}='b'>") <> "</r>"),
         [namespaces: true]},
        {:max_entities, quote(do: dtd(numbered(30, &"<!ENTITY e#{&1} ''>"), "")), []},
        {:max_entity_expansions, quote(do: dtd("<!ENTITY e ''>", repeated(1_010, "&e;"))), []},
        {:max_entity_depth,
         quote(
           do:
             dtd(
               "<!ENTITY e6 ''>" <> numbered(5, &"<!ENTITY e#{&1} '&e#{&1 + 1};'>"),
               "&e1;"
             )
         ), []},
        {:max_recoveries, quote(do: dtd("", repeated(12, "&u;"))), [recover: [:entities]]},
        {:max_bytes, quote(do: "<r>" <> repeated(6, "<i>#{x(19_000)}</i>") <> "</r>"), []},
        {:max_elements, quote(do: "<r>" <> repeated(37, "<i/>") <> "</r>"), []}
      ] do
    test "#{limit}" do
      assert failure(unquote(document), unquote(opts)) == exceeding(unquote(limit))
    end
  end

  test "max_record_bytes" do
    record = repeated(4, "<t>#{x(10_000)}</t>")

    error =
      assert_raise ParseError, fn ->
        "<r><i>#{record}</i></r>" |> BoundedXml.select("r/i", @limits) |> Stream.run()
      end

    assert {error.limit, error.value} == {:max_record_bytes, 30_011}
  end

  test "max_entity_bytes and max_amplification" do
    # Amplification is far above its limit from the start: the entities' bytes decide.
    document = fn last ->
      entities = "<!ENTITY a '#{x(100)}'><!ENTITY b '#{x(last)}'>"
      dtd(entities, repeated(70, "&a;") <> "&b;")
    end

    assert failure(document.(13)) == :none
    assert {:max_amplification, 7, seen} = failure(document.(14))
    assert seen > 7
  end
end
