defmodule Bounded.Test.ReleaseServer do
  @moduledoc false
  # An HTTPS server on loopback, with an authority of its own, and a proxy before it.

  alias Mix.Tasks.Compile.BoundedNative.Download

  @san {2, 5, 29, 17}
  @secp256r1 {1, 2, 840, 10_045, 3, 1, 7}

  @doc """
  Starts a server that answers each path as `answers` says: `{status, body}`, `{:redirect, location}` or `{:truncated, body}`.

  Returns its `url` and `cacerts`, the path of a file with its authority, written to `directory`.
  """
  def start(directory, answers) do
    Download.need([:crypto, :asn1, :public_key, :ssl, :inets])
    {:ok, _} = Application.ensure_all_started(:ssl)
    %{server_config: server, client_config: client} = certificates()
    cacerts = Path.join(directory, "authorities.pem")
    entries = for der <- client[:cacerts], do: {:Certificate, der, :not_encrypted}
    File.write!(cacerts, :public_key.pem_encode(entries))

    options = [:binary, active: false, reuseaddr: true, ip: {127, 0, 0, 1}, log_level: :none]
    {:ok, listener} = :ssl.listen(0, options ++ server)
    {:ok, {_, port}} = :ssl.sockname(listener)
    spawn_link(fn -> serve(listener, answers) end)
    %{url: "https://localhost:#{port}", cacerts: cacerts}
  end

  defp certificates do
    name = {:Extension, @san, false, [{:dNSName, ~c"localhost"}]}
    signed = [digest: :sha256, key: {:namedCurve, @secp256r1}]
    chain = %{root: signed, intermediates: [], peer: signed}
    server = %{chain | peer: [extensions: [name]] ++ signed}
    :public_key.pkix_test_data(%{server_chain: server, client_chain: chain})
  end

  # A client that does not trust this server hangs up in the handshake.
  defp serve(listener, answers) do
    with {:ok, socket} <- :ssl.transport_accept(listener),
         {:ok, socket} <- :ssl.handshake(socket, 10_000) do
      {:ok, request} = read(fn -> :ssl.recv(socket, 0, 10_000) end, "")
      [_, path] = Regex.run(~r/^GET (\S+) /, request)
      :ssl.send(socket, answer(Map.get(answers, path, {404, "nothing here"})))
      :ssl.close(socket)
    end

    serve(listener, answers)
  end

  defp answer({:redirect, location}),
    do:
      "HTTP/1.1 302 Found\r\nlocation: #{location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

  defp answer({:truncated, body}),
    do: [head(200, byte_size(body)), binary_part(body, 0, div(byte_size(body), 2))]

  defp answer({status, body}), do: [head(status, byte_size(body)), body]

  defp head(status, length),
    do: "HTTP/1.1 #{status} Status\r\ncontent-length: #{length}\r\nconnection: close\r\n\r\n"

  @doc """
  Starts a proxy that forwards what clients CONNECT to, and sends `{:proxied, address, authorization}` to `test` for each.
  """
  def start_proxy(test) do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, active: false, ip: {127, 0, 0, 1}])
    {:ok, port} = :inet.port(listener)
    spawn_link(fn -> forward(listener, test) end)
    port
  end

  defp forward(listener, test) do
    {:ok, client} = :gen_tcp.accept(listener)
    {:ok, request} = read(fn -> :gen_tcp.recv(client, 0, 10_000) end, "")
    [_, address, port] = Regex.run(~r/^CONNECT ([^:]+):(\d+) /, request)
    authorization = Regex.run(~r/proxy-authorization: (.*)\r/i, request, capture: :all_but_first)
    send(test, {:proxied, address, authorization})

    {:ok, server} =
      :gen_tcp.connect({127, 0, 0, 1}, String.to_integer(port), [:binary, active: false])

    :ok = :gen_tcp.send(client, "HTTP/1.1 200 OK\r\n\r\n")
    Enum.each([client, server], &:inet.setopts(&1, active: true))
    pass(client, server)
    forward(listener, test)
  end

  defp pass(client, server) do
    receive do
      {:tcp, ^client, data} -> pass(client, server, server, data)
      {:tcp, ^server, data} -> pass(client, server, client, data)
      {:tcp_closed, _} -> Enum.each([client, server], &:gen_tcp.close/1)
    end
  end

  defp pass(client, server, to, data) do
    :gen_tcp.send(to, data)
    pass(client, server)
  end

  defp read(receive_more, got) do
    if String.ends_with?(got, "\r\n\r\n") do
      {:ok, got}
    else
      with {:ok, more} <- receive_more.(), do: read(receive_more, got <> more)
    end
  end
end
