defmodule Bounded.Test.RenamedNode do
  @moduledoc false
  # A node that was not started with a name, and whose distribution so can be stopped: its name changes then.

  alias Quota.Cluster.Attempt

  @limit Quota.mib(2)

  @doc "Gives this node a name, and connects it."
  def join(cookie, there) do
    name = :"renamed_#{System.pid()}_#{System.unique_integer([:positive])}@127.0.0.1"
    {:ok, _} = :net_kernel.start(name, %{name_domain: :longnames})
    Node.set_cookie(String.to_atom(cookie))
    Node.connect(there)
  end

  @doc """
  Stops the distribution when the answer of a run on `there` is in the mailbox of its caller, and not read yet. Returns its outcome and
  the messages that are left.
  """
  def answered(there) do
    parent = self()

    {pid, ref} =
      spawn_monitor(fn ->
        outcome = outcome(fn -> Quota.run(@limit, {__MODULE__, :work, [parent]}, node: there) end)
        exit({outcome, messages()})
      end)

    # It has begun, and its caller waits for the answer.
    worker = receive do: ({:working, worker} -> worker)
    :erlang.suspend_process(pid)
    send(worker, :go)
    wait(fn -> Process.info(pid, :message_queue_len) >= {:message_queue_len, 2} end)
    :ok = :net_kernel.stop()
    :erlang.resume_process(pid)
    receive do: ({:DOWN, ^ref, _, _, result} -> result)
  end

  @doc "What runs on the other node. Returns its name."
  def work(parent) do
    send(parent, {:working, self()})
    receive do: (:go -> node())
  end

  @doc "As `answered/1`, but when the memory has been reserved there and nothing has begun."
  def admitted(there) do
    stopped = :atomics.new(1, [])

    {pid, ref} =
      spawn_monitor(fn ->
        attempt = Attempt.start(there, @limit, [], false)
        # A receive would read what arrives.
        spin(stopped)
        exit({Attempt.answer(attempt), messages()})
      end)

    wait(fn -> Process.info(pid, :message_queue_len) == {:message_queue_len, 2} end)
    :ok = :net_kernel.stop()
    :atomics.put(stopped, 1, 1)
    receive do: ({:DOWN, ^ref, _, _, result} -> result)
  end

  defp spin(flag), do: if(:atomics.get(flag, 1) == 0, do: spin(flag))

  defp outcome(fun) do
    {:returned, fun.()}
  catch
    kind, reason -> {kind, reason}
  end

  defp messages, do: self() |> Process.info(:messages) |> elem(1)

  defp wait(fun) do
    unless fun.() do
      Process.sleep(1)
      wait(fun)
    end
  end
end
