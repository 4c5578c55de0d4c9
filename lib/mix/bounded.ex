defmodule Mix.Bounded do
  @moduledoc false
  # What the tasks that examine a node have in common.

  @doc """
  Starts distribution and connects to the node called `name`, with its `cookie`, or this user's if that is nil. Returns the node.

  Raises `Mix.Error` with what to do if it cannot be reached.
  """
  @spec connect!(String.t(), String.t() | nil) :: node
  def connect!(name, cookie) do
    node = node_name(name)
    start_distribution(name)
    if cookie, do: Node.set_cookie(node, String.to_atom(cookie))
    unless Node.connect(node), do: Mix.raise(unreachable(name))
    node
  end

  @doc "Calls `fun`, which asks `node`. Raises `Mix.Error` if the connection is lost meanwhile, or the node does not answer."
  @spec asking(node, (() -> result)) :: result when result: term
  def asking(node, fun) do
    fun.()
  rescue
    error in ErlangError ->
      if Bounded.Facts.Probe.lost?(error),
        do: Mix.raise("#{node} was reached, and then #{lost(error.original)}"),
        else: reraise(error, __STACKTRACE__)
  end

  defp lost({:erpc, :timeout}),
    do: "did not answer within a minute: it may be overloaded. Try again, or ask the node itself"

  defp lost({:erpc, reason}),
    do: "the connection was lost (#{reason}): has the node ended, or been ended by the kernel?"

  defp node_name(name) do
    if name =~ ~r/^[^@]+@[^@]+$/,
      do: String.to_atom(name),
      else: Mix.raise("--node is a name such as app@host, got: #{name}")
  end

  # What can be told apart: whether the host is known, whether a daemon answers there, and whether it knows the node.
  defp unreachable(name) do
    [short, host] = name |> String.split("@") |> Enum.map(&String.to_charlist/1)

    case :erl_epmd.names(host) do
      {:error, :nxdomain} ->
        "cannot reach #{name}: the host #{host} is not known here. Use the name that the node itself has (node() there)"

      {:error, _} ->
        "cannot reach #{name}: no Erlang port mapper (epmd, port 4369) answers on #{host}. Is the node running, and is the port open?"

      {:ok, names} ->
        if List.keymember?(names, short, 0),
          do: known(name),
          else:
            "cannot reach #{name}: epmd on #{host} knows #{known_names(names)}. Is the node's name right?"
    end
  end

  defp known(name) do
    "cannot reach #{name}: the node runs, and refuses the connection. Most often the cookie differs (give --cookie; the node's own is " <>
      "erlang:get_cookie() there), or one side uses long names and the other short ones: give the name exactly as node() returns it there"
  end

  defp known_names([]), do: "no node"
  defp known_names(names), do: Enum.map_join(names, ", ", &elem(&1, 0))

  defp start_distribution(name) do
    # Long names on both sides, or short ones. No node connects to this one: it needs no resolvable host and no epmd, and is hidden
    # from lists of nodes.
    {names, host} =
      if name =~ ~r/@.*\./, do: {:longnames, "127.0.0.1"}, else: {:shortnames, "localhost"}

    own = :"bounded_#{System.pid()}_#{System.unique_integer([:positive])}@#{host}"

    case :net_kernel.start(own, %{name_domain: names, dist_listen: false, hidden: true}) do
      {:ok, _} ->
        :ok

      {:error, {:already_started, _}} ->
        :ok

      {:error, reason} ->
        Mix.raise("cannot start distribution: #{inspect(reason)}")
    end
  end
end
