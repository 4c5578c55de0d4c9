defmodule Quota.Cluster.LocalStreamTest do
  # `Quota.Cluster.async_stream/4` without a pool: on this node.
  use ExUnit.Case, async: true

  @limit Quota.mib(1)

  def work(:exits), do: exit(:gone)
  def work(:throws), do: throw(:away)
  def work(:raises), do: raise("no")
  def work(n), do: n + 1

  defp stream(elements, options \\ []) do
    elements
    |> Quota.Cluster.async_stream(@limit, {__MODULE__, :work, []}, [node: node()] ++ options)
    |> Enum.to_list()
  end

  test "each element has its own outcome" do
    assert [
             {:ok, 2},
             {:exit, :gone},
             {:exit, {{:nocatch, :away}, [_ | _]}},
             {:exit, {%RuntimeError{message: "no"}, [_ | _]}},
             {:ok, 3}
           ] = stream([1, :exits, :throws, :raises, 2])

    assert stream([]) == []
  end

  test "as many run at once as there are schedulers, or as it is told" do
    for options <- [[], [max_concurrency: 1]] do
      assert stream(1..50, options) == for(n <- 1..50, do: {:ok, n + 1})
    end
  end
end
