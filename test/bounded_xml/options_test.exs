defmodule BoundedXml.OptionsTest do
  use ExUnit.Case, async: true

  alias BoundedXml.Options

  defp wrong(options, use \\ :stream) do
    assert_raise(ArgumentError, fn -> Options.validate!(options, use) end).message
  end

  test "unknown options are refused, and the valid ones named" do
    assert wrong(depth: 3) =~ "max_depth"
    assert wrong([max_record_bytes: 3], :stream) =~ "max_record_bytes"
    assert wrong([emit: []], :select) =~ "emit"
    assert wrong([chunk_bytes: 1], :parser) =~ "chunk_bytes"
  end

  test "unknown options and valid ones are listed once" do
    for use <- [:stream, :select, :parser] do
      message = wrong([depth: 3, depth: 4, width: 1], use)
      assert message =~ "unknown options [:depth, :width]"

      for option <- [:limits, :max_depth, :namespaces, :doctype] do
        assert length(String.split(message, inspect(option))) == 2, message
      end
    end

    assert wrong([:namespaces]) =~ "keyword list"
  end

  test "prefixes imply namespaces" do
    assert %{namespaces: true} = Options.validate!([prefixes: %{"a" => "urn:a"}], :select)
    assert %{namespaces: false} = Options.validate!([prefixes: %{}], :select)

    assert wrong([prefixes: %{"a" => "urn:a"}, namespaces: false], :select) =~
             "needs namespaces: true"

    assert wrong([prefixes: %{"a" => "urn:a"}], :stream) =~ "unknown"

    for prefixes <- [
          [a: "b"],
          %{a: "b"},
          %{"a" => 1},
          %{"" => "u"},
          %{"a:b" => "u"},
          %{"a" => ""}
        ] do
      assert wrong([prefixes: prefixes], :select) =~ "prefixes"
    end
  end

  test "an unknown encoding says where the list is" do
    for name <- ["klingon", "", <<255>>, String.duplicate("x", 100_000)] do
      message = wrong(encoding: name)
      assert message =~ "is not supported" and message =~ "BoundedXml.encodings/0"
      assert byte_size(message) < 300
    end

    for name <- BoundedXml.encodings(), do: assert(Options.validate!([encoding: name], :stream))
  end

  test "a wrong value is refused with what was expected" do
    for {key, value} <- [
          namespaces: 1,
          doctype: :skip,
          encoding: :utf8,
          limits: :loose,
          skip_whitespace: nil,
          emit: [:comment],
          emit: :comments,
          text: true,
          positions: "yes",
          chunk_bytes: 0,
          chunk_bytes: 65_537,
          max_depth: 0,
          max_depth: :infinity,
          max_token_bytes: 1.5,
          max_name_bytes: 1_073_741_825,
          max_bytes: -1
        ] do
      message = wrong([{key, value}])
      assert message =~ "#{inspect(key)} must be "
      assert message =~ "got: #{inspect(value)}"
    end

    assert wrong([roots: 2], :parser) =~ ":one or :many"
  end

  test "presets scale limits, single ones come first" do
    assert %{max_token_bytes: 1_048_576, max_depth: 256, doctype: :reject, max_bytes: :infinity} =
             Options.validate!([limits: :strict], :stream)

    assert %{max_token_bytes: 536_870_912, max_depth: 16_384, doctype: :internal} =
             Options.validate!([limits: :trusted], :stream)

    assert %{max_depth: 3, doctype: :internal, max_name_bytes: 128} =
             Options.validate!([max_depth: 3, doctype: :internal, limits: :strict], :stream)

    assert Options.validate!([limits: :default], :parser) == Options.validate!([], :parser)
  end

  test "every encoding that can be read is an option" do
    for name <- ["UTF-8", "utf-16", "ISO-8859-1", "windows-1252", "Shift_JIS", "GBK"] do
      assert Options.validate!([encoding: name], :stream).encoding == name
    end
  end

  test "an improper list is none" do
    for opts <- [[emit: [:cdata | :comments]], [recover: [:entities | :characters]]] do
      assert_raise ArgumentError, ~r/must be/, fn -> BoundedXml.stream("<r/>", opts) end
    end

    improper = [{:a, "r"} | :b]
    assert_raise ArgumentError, ~r/keyword list/, fn -> BoundedXml.select("<r/>", improper) end

    assert_raise ArgumentError, ~r/no proper end/, fn ->
      BoundedXml.select("<r/>", ["r" | "a"], namespaces: true)
    end

    assert_raise ArgumentError, ~r/:required must be a list/, fn ->
      BoundedXml.select("<r/>", "r", fields: [a: "@a"], required: [:a | :b])
    end
  end

  test "a kind that is listed twice is listed" do
    assert %{recover: [:entities], emit: [:cdata, :cdata]} =
             Options.validate!([recover: [:entities, :entities], emit: [:cdata, :cdata]], :stream)
  end

  test "a function that is no enumerable is no source" do
    for source <- [fn -> "<r/>" end, fn _ -> "<r/>" end] do
      assert_raise ArgumentError, ~r/the source must be/, fn -> BoundedXml.stream(source) end
    end

    assert [_ | _] =
             BoundedXml.stream(fn acc, fun -> Enumerable.reduce(["<r/>"], acc, fun) end)
             |> Enum.to_list()
  end
end
