defmodule Mix.Tasks.Bounded.Doctor do
  @shortdoc "Says what threatens a node's memory, and what to do"
  @moduledoc """
  Says what threatens a node's memory: each finding with its figure and the remedy.

      mix bounded.doctor
      mix bounded.doctor --node app@host --cookie secret

  Without `--node` it looks at the machine and at the VM that runs Mix, which is no more than started.

    * `--node`: the node to ask, by the name that it has. It must be reachable from here and have `:bounded` among its applications
    * `--cookie`: its cookie; default is that of this user (`~/.erlang.cookie`)

  A release has no Mix tasks: `bin/app rpc "Bounded.Doctor.report()"`. See `Bounded.Doctor`.
  """

  use Mix.Task

  @switches [node: :string, cookie: :string]

  @impl true
  def run(args) do
    {options, rest} = OptionParser.parse!(args, strict: @switches)

    if rest != [],
      do: Mix.raise("mix bounded.doctor takes options only, got: #{Enum.join(rest, " ")}")

    Mix.Task.run("app.config")

    case options[:node] do
      nil -> Bounded.Doctor.report()
      node -> node |> connect(options[:cookie]) |> Bounded.Doctor.report()
    end
  end

  defp connect(name, cookie) do
    node = String.to_atom(name)
    start_distribution(name)
    if cookie, do: Node.set_cookie(node, String.to_atom(cookie))

    unless Node.connect(node) do
      Mix.raise(
        "cannot reach #{name}: is it running, is its name right, and is the cookie the same?"
      )
    end

    node
  end

  defp start_distribution(name) do
    # Its host is written in full or not, and so must be ours. Nobody connects to this node: it needs no host that
    # can be found and no epmd, and is not among the nodes that others list.
    {names, host} =
      if name =~ ~r/@.*\./, do: {:longnames, "127.0.0.1"}, else: {:shortnames, "localhost"}

    own = :"bounded_doctor_#{System.pid()}_#{System.unique_integer([:positive])}@#{host}"

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
