defmodule Bounded.Test.ClusterTrace do
  @moduledoc false
  # Counts what `Quota.Cluster` sends, on the node where it is called.

  alias Bounded.Test.ClusterNode
  alias Quota.Cluster.Protocol

  @request {:erlang, :spawn_request, 5}
  @answers [:admitted, :refused, :failed, :version, :done]

  @doc """
  Runs work in the shared pool, in a new process. Returns the outcome, and in order what that process asked other nodes, sent
  them and heard of them. A node asks another one by starting a process there.
  """
  def run(work, options) do
    parent = self()

    caller =
      spawn(fn ->
        receive do: (:begin -> send(parent, {:outcome, self(), ClusterNode.run(work, options)}))
      end)

    1 = :erlang.trace_pattern(@request, true, [])
    1 = :erlang.trace(caller, true, [:call, :send, :receive])
    send(caller, :begin)
    outcome = receive do: ({:outcome, ^caller, outcome} -> outcome)
    traced = traced(caller)
    :erlang.trace_pattern(@request, false, [])
    {outcome, Enum.flat_map(traced, &exchanged/1)}
  end

  defp exchanged({:call, {:erlang, :spawn_request, [node | _]}}), do: [{:ask, node}]

  defp exchanged({:send, message, to}) when is_pid(to) and node(to) != node(),
    do: [{:send, elem(message, 1)}]

  defp exchanged({:receive, {ref, answer}})
       when is_reference(ref) and elem(answer, 0) in @answers,
       do: [{:hear, elem(answer, 0)}]

  defp exchanged(_other), do: []

  @doc """
  Calls a function of `ClusterNode` in a new process if one is given. Returns the time that passed, at least `ms` milliseconds, and
  `{node, view}` of each view that this node has sent meanwhile.
  """
  def views(ms, call \\ nil) do
    server = ClusterNode.server()
    began = now()
    1 = :erlang.trace(server, true, [:send])
    pid = call && spawn(fn -> repeat(call) end)
    Process.sleep(ms)
    if pid, do: ClusterNode.kill(pid)
    :erlang.trace(server, false, [:send])
    passed = now() - began

    {passed,
     for({:send, {Protocol, :view, _, _, view}, to} <- traced(server), do: {node(to), view})}
  end

  # Repeats until its process is killed.
  @dialyzer {:nowarn_function, repeat: 1}
  defp repeat({:once, function, arguments}), do: apply(ClusterNode, function, arguments)

  defp repeat({:always, function, arguments} = call) do
    apply(ClusterNode, function, arguments)
    repeat(call)
  end

  # The events of a process until now.
  defp traced(pid) do
    ref = :erlang.trace_delivered(pid)
    receive do: ({:trace_delivered, ^pid, ^ref} -> events(pid, []))
  end

  defp events(pid, events) do
    receive do
      {:trace, ^pid, kind, what} -> events(pid, [{kind, what} | events])
      {:trace, ^pid, kind, what, to} -> events(pid, [{kind, what, to} | events])
    after
      0 -> Enum.reverse(events)
    end
  end

  defp now, do: System.monotonic_time(:millisecond)
end
