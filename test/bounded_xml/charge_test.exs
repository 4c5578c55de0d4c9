defmodule BoundedXml.ChargeTest do
  # Measures the memory of the VM.
  use ExUnit.Case, async: false

  alias Bounded.Native
  alias BoundedXml.{Options, Parser, Selection}
  import Bounded.Eventually

  @many 10_000

  defp parser do
    {:ok, parser} = Parser.new()
    parser
  end

  # The same path for all of them: what is measured is native.
  defp selection(opts \\ []) do
    options = Options.validate!(opts, :select)
    setup = {options, Selection.parse!("r/i", options).native}

    fn ->
      {:ok, {:more, [], _, parser}} = Native.xml_open(setup, "<r>", 0, 3, false)
      parser
    end
  end

  defp resident do
    [_, kib] = Regex.run(~r/RssAnon:\s+(\d+) kB/, File.read!("/proc/self/status"))
    String.to_integer(kib) * 1024
  end

  # Bytes charged and bytes resident for each of many, beyond what the same number took before and gave back.
  defp measure(make) do
    Quota.run(Quota.gib(1), fn ->
      before = {Quota.usage().native, resident()}
      made = for _ <- 1..@many, do: make.()
      {native, resident} = {Quota.usage().native, resident()}
      assert length(made) == @many
      {div(native - elem(before, 0), @many), div(resident - elem(before, 1), @many)}
    end)
  end

  test "what parsers and selections take before they have read anything is charged" do
    fields = for n <- 1..50, do: {:"field_#{n}", "a/b#{n}"}

    for {make, least} <- [
          {&parser/0, 12_000},
          {selection(), 13_000},
          {selection(fields: fields), 20_000}
        ] do
      {charged, resident} = measure(make)
      assert charged >= least
      # The terms that refer to them are in the VM's heaps.
      assert resident <= charged * 1.1 + 300

      # Of all this, nothing is left.
      eventually(fn ->
        {{_, _, native, _, _}, _, _} = Native.node_usage()
        assert native < charged * 100
      end)
    end
  end

  test "as many as fit are made, and no more" do
    for make <- [&parser/0, &selection_or_raise/0] do
      assert {:error, %Quota.ExceededError{category: :native}} =
               Quota.try_run(Quota.mib(64), fn -> for(_ <- 1..60_000, do: make.()) |> length() end)
    end
  end

  # Through the stream, which raises what the call refuses.
  defp selection_or_raise do
    [<<"<r>">>, "<i/>"]
    |> Stream.concat(Stream.repeatedly(fn -> "<i/>" end))
    |> BoundedXml.select("r/i")
    |> Enumerable.reduce({:suspend, nil}, fn _, _ -> {:suspend, nil} end)
    |> then(fn {:suspended, _, next} -> next.({:cont, nil}) end)
  end
end
