defmodule Bounded.DocsTest do
  # What is public is documented: each module, function and type has a doc; each function a specification, the version that brought it
  # and an example that runs.
  use ExUnit.Case, async: true

  # Functions without an example of their own that a doctest could run, and why.
  @without_example [
    # They print.
    {Bounded.Doctor, :report, 2},
    {Bounded.Doctor, :top, 1},
    # They need a request, Telemetry.Metrics: test/quota/plug, test/quota/telemetry_test.exs.
    {BoundedXml.Conn, :with_body, 3},
    {Quota.Plug, :init, 1},
    {Quota.Plug, :call, 2},
    {Quota.Plug, :run, 4},
    {Quota.Telemetry, :metrics, 0},
    # A node has one watchdog, which the tests of it start and stop: test/quota/watchdog_test.exs.
    {Quota.Watchdog, :start_link, 1},
    {Quota.Watchdog, :status, 0},
    {Quota.Watchdog, :limit, 2}
  ]

  defp modules do
    {:ok, modules} = :application.get_key(:bounded, :modules)

    for module <- modules,
        not test_support?(module),
        {:docs_v1, _, _, _, doc, metadata, docs} <- [Code.fetch_docs(module)],
        doc != :hidden,
        hd(Module.split(module)) not in ~w(Enumerable Inspect),
        do: {module, text(doc), metadata, Enum.reject(docs, &(elem(&1, 3) == :hidden))}
  end

  defp test_support?(module),
    do:
      inspect(module) =~ "Bounded.Test." or
        to_string(module.module_info(:compile)[:source]) =~ "/test/support/"

  defp text(%{"en" => text}), do: text
  defp text(_), do: ""

  defp functions do
    for {module, about, metadata, docs} <- modules(),
        {{:function, name, arity}, _, _, doc, own} <- docs,
        # A task's `run/1` is documented by its module.
        not (module |> inspect() |> String.starts_with?("Mix.Tasks.")),
        not exception?(module),
        do: {{module, name, arity}, about, text(doc), Map.merge(metadata, own)}
  end

  defp exception?(module), do: function_exported?(module, :exception, 1)

  test "each module has a doc" do
    assert length(modules()) >= 25
    assert [] == for({module, "", _, _} <- modules(), do: module)
  end

  test "each function has a doc" do
    assert length(functions()) >= 50
    assert [] == for({function, _, "", _} <- functions(), do: function)
  end

  test "each function has a specification" do
    assert [] ==
             for(
               {{module, name, arity} = function, _, _, _} <- functions(),
               {name, arity} not in specified(module),
               do: function
             )
  end

  defp specified(module) do
    case Code.Typespec.fetch_specs(module) do
      {:ok, specs} -> Enum.map(specs, &elem(&1, 0))
      :error -> []
    end
  end

  test "each type has a doc" do
    types =
      for {module, _, _, docs} <- modules(),
          {{:type, name, arity}, _, _, doc, _} <- docs,
          do: {{module, name, arity}, text(doc)}

    assert length(types) > 30
    assert [] == for({type, ""} <- types, do: type)
  end

  # A module's version is that of its functions, unless they say another.
  test "each module and function says since which version it is there" do
    now = Mix.Project.config()[:version]

    since =
      for({module, _, metadata, _} <- modules(), do: {module, metadata}) ++
        for {function, _, _, metadata} <- functions(), do: {function, metadata}

    for {name, metadata} <- since do
      assert is_binary(metadata[:since]), "#{inspect(name)} does not say since when"
      assert Version.compare(metadata[:since], now) != :gt, inspect(name)
    end
  end

  test "each function has an example that a doctest runs, or is listed here with the reason" do
    without =
      for {{module, name, _} = function, about, doc, _} <- functions(),
          not (doc =~ ~r/^ *iex>/m or called?(about, module, name)),
          do: function

    assert Enum.sort(without) == Enum.sort(@without_example)
  end

  defp called?(about, module, name) do
    Regex.match?(~r/^ *(?:iex|\.\.\.)>.*#{Regex.escape(inspect(module))}\.#{name}\(/m, about)
  end

  test "the examples of each module run" do
    tests = for path <- Path.wildcard("test/**/*_test.exs"), into: "", do: File.read!(path)

    for {module, about, _, docs} <- modules(),
        Enum.any?([about | Enum.map(docs, &text(elem(&1, 3)))], &(&1 =~ ~r/^ *iex>/m)) do
      short = module |> Module.split() |> List.last()
      pattern = ~r/doctest (?:#{Regex.escape(inspect(module))}|#{short})\b(?!\.)/
      assert tests =~ pattern, "no `doctest #{inspect(module)}` in test/"
    end
  end
end
