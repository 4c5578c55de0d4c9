defmodule Bounded.Test.Peer do
  @moduledoc false
  # A fresh VM with this project loaded, over its standard input and output: no distribution is needed.

  @doc "Starts one that ends with the calling test, with more flags for `erl`."
  def start(flags \\ []) do
    paths = Enum.flat_map(:code.get_path(), &[~c"-pa", &1])

    {:ok, peer, _node} =
      :peer.start_link(%{
        connection: :standard_io,
        args: Enum.map(flags, &String.to_charlist/1) ++ paths
      })

    {:ok, _} = call(peer, :application, :ensure_all_started, [:bounded])
    peer
  end

  def call(peer, module, function, arguments) do
    :peer.call(peer, module, function, arguments, 60_000)
  end
end
