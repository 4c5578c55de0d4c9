defmodule BoundedXml.MigratingTest do
  use ExUnit.Case, async: true

  # The pairs of the guide, which give the same. xmerl is part of OTP, and fast_xml may be installed; `ERL_LIBS` names a folder
  # with the others. A pair whose library is not there is skipped.

  @guide "guides/migrating.md"
  @external_resource @guide
  @modules %{
    "xmerl" => :xmerl_scan,
    "Saxy" => Saxy,
    "SweetXml" => SweetXml,
    "erlsom" => :erlsom,
    "exml" => :exml,
    "fast_xml" => :fxml_stream
  }

  @xml """
  <rss version="2.0"><channel><title>News</title><item id="1"><title>One &amp; all</title><tag>a</tag><tag>b</tag></item>\
  <item id="2"><title>Two</title></item></channel></rss>\
  """

  # A heading "### library: what", and two blocks of code.
  @pair ~r/^### (\w+): ([^\n]+)\n\n```elixir\n(.*?)```\n\n```elixir\n(.*?)```/ms

  pairs = Regex.scan(@pair, File.read!(@guide), capture: :all_but_first)

  for [library, what, theirs, ours] <- pairs do
    module = Map.fetch!(@modules, library)
    @tag skip: not Code.ensure_loaded?(module) && "#{library} is not there"
    test "#{library}: #{what}" do
      assert run(unquote(ours)) == run(unquote(theirs))
    end
  end

  test "every library has pairs" do
    libraries = for [library | _] <- unquote(Macro.escape(pairs)), uniq: true, do: library
    assert Enum.sort(libraries) == @modules |> Map.keys() |> Enum.sort()
  end

  defp run(code) do
    {result, _binding} = Code.eval_string(code, xml: @xml)
    assert result not in [nil, [], %{}]
    result
  end
end
