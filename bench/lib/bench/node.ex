defmodule Bench.Node do
  @moduledoc """
  A VM to measure in: nothing else runs there, and its idle schedulers sleep.
  """

  @flags ~w(+sbwt none +sbwtdcpu none +sbwtdio none)c

  @doc "Starts one, calls `fun` with it, and stops it."
  def with_node(fun) do
    paths = Enum.flat_map(:code.get_path(), &[~c"-pa", &1])
    {:ok, node, _name} = :peer.start_link(%{connection: :standard_io, args: @flags ++ paths})

    try do
      {:ok, _} = :peer.call(node, :application, :ensure_all_started, [:bounded_bench])
      fun.(node)
    after
      :peer.stop(node)
    end
  end

  @doc "Calls a function there, and waits as long as it takes."
  def call(node, module, function, arguments),
    do: :peer.call(node, module, function, arguments, :infinity)
end
