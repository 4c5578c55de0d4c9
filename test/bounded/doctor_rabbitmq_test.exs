defmodule Bounded.DoctorRabbitmqTest do
  # A node that is neither ours nor a test's: RabbitMQ, where Debian's package is installed. It runs for itself, in a folder of the
  # test, with the node's own port mapper.
  use ExUnit.Case, async: false

  import Bounded.Eventually

  alias Bounded.Test.Peer

  @server Path.wildcard("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")
          |> List.first()

  @moduletag :rabbitmq
  @moduletag :tmp_dir
  @moduletag skip: is_nil(@server)
  @moduletag timeout: 180_000

  setup %{tmp_dir: dir} do
    env = Peer.start_epmd()
    name = "rabbit_#{System.unique_integer([:positive])}"
    cookie = "rabbitcookie"
    File.write!(Path.join(dir, ".erlang.cookie"), cookie)
    File.chmod!(Path.join(dir, ".erlang.cookie"), 0o400)
    File.write!(Path.join(dir, "plugins"), "[].")

    settings = [
      {"HOME", dir},
      {"RABBITMQ_NODENAME", "#{name}@localhost"},
      {"RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1"},
      {"RABBITMQ_NODE_PORT", "#{free_port()}"},
      {"RABBITMQ_DIST_PORT", "#{free_port()}"},
      {"RABBITMQ_MNESIA_BASE", Path.join(dir, "data")},
      {"RABBITMQ_LOG_BASE", Path.join(dir, "log")},
      {"RABBITMQ_ENABLED_PLUGINS_FILE", Path.join(dir, "plugins")},
      {"RABBITMQ_PID_FILE", Path.join(dir, "pid")},
      {"RABBITMQ_CONF_ENV_FILE", Path.join(dir, "none")}
    ]

    port =
      Port.open({:spawn_executable, @server}, [
        :binary,
        :stderr_to_stdout,
        env:
          for(
            {key, value} <- settings ++ env,
            do: {String.to_charlist(key), String.to_charlist(value)}
          )
      ])

    pid_file = Path.join(dir, "pid")
    on_exit(fn -> stop(pid_file) end)
    eventually(fn -> assert File.exists?(pid_file) end, 60_000)
    {:ok, node: "#{name}@localhost", cookie: cookie, env: env, port: port}
  end

  defp free_port do
    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, port} = :inet.port(socket)
    :gen_tcp.close(socket)
    port
  end

  # Killed: it holds nothing that anyone needs.
  defp stop(pid_file) do
    with {:ok, pid} <- File.read(pid_file),
         do: System.cmd("kill", ["-9", String.trim(pid)], stderr_to_stdout: true)
  end

  defp mix(arguments, env),
    do: System.cmd("mix", arguments, env: [{"MIX_ENV", "test"} | env], stderr_to_stdout: true)

  test "the Doctor examines it, and top shows it", %{node: node, cookie: cookie, env: env} do
    reach = ["--node", node, "--cookie", cookie]

    # It answers before it has started in full.
    eventually(
      fn ->
        {text, status} = mix(["bounded.doctor" | reach], env)
        assert status in [0, 2], text
        assert text =~ "Memory of #{node}"
        assert text =~ ~r/^this library +does not run on this node$/m
        assert text =~ ~r/^processes +\d{2,}$/m
      end,
      60_000
    )

    {text, 0} = mix(["bounded.top", "--frames", "1", "--sort", "memory" | reach], env)
    assert text =~ ~r/^#{node}   OTP \d+/
    assert text =~ ~r/^processes: \d{2,}, by memory$/m
    refute text =~ "quotas"

    assert {text, 1} = mix(["bounded.doctor", "--node", node, "--cookie", "wrong"], env)
    assert text =~ "refuses the connection"
  end
end
