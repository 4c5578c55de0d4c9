defmodule Bounded.PlugStatusTest do
  use ExUnit.Case, async: true

  @mib 1024 * 1024

  test "every exception of this library has a status for Plug" do
    {:ok, modules} = :application.get_key(:bounded, :modules)
    exceptions = Enum.filter(modules, &exception?/1)
    assert length(exceptions) >= 6

    for exception <- exceptions do
      assert %{plug_status: status} = struct(exception)
      assert status in 400..599
    end
  end

  defp exception?(module) do
    Code.ensure_loaded!(module)
    function_exported?(module, :__struct__, 0) and is_exception(struct(module))
  end

  test "what is the client's fault is 4xx, and what is this node's 5xx" do
    statuses = [
      {503, fn -> Quota.run(@mib, fn -> Enum.to_list(1..1_000_000) end) end},
      {504, fn -> Quota.run(@mib, fn -> Process.sleep(:infinity) end, timeout: 0) end},
      {400, fn -> Stream.run(BoundedXml.stream("<a>")) end},
      {413, fn -> Stream.run(BoundedXml.stream("<a><b/></a>", max_depth: 1)) end},
      {400, fn -> BoundedBinary.inflate("no gzip") end},
      {413, fn -> BoundedBinary.inflate(:zlib.gzip(:binary.copy("a", 99)), max_bytes: 1) end}
    ]

    for {status, fun} <- statuses, do: assert(%{plug_status: ^status} = catch_error(fun.()))
    assert %{plug_status: 500} = BoundedXml.ParseError.new(:internal, {"reason", 1, 1, 0, nil})
  end
end
