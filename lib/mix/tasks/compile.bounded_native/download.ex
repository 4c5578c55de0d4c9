defmodule Mix.Tasks.Compile.BoundedNative.Download do
  @moduledoc false
  # Downloads a file by HTTPS, with the client of Erlang/OTP.

  @most_redirects 5
  @connect_ms 15_000
  @total_ms 300_000

  @doc """
  Downloads `url`, which must be HTTPS. Returns `{:ok, binary}` or `{:error, message}`.

  The server's certificate is verified with the system's authorities, or with those of the file `HEX_CACERTS_PATH`, as Hex does.
  `HTTPS_PROXY` and `NO_PROXY` are followed, in capitals or not, and so are redirects to HTTPS.
  """
  def get(url, variables \\ System.get_env()) do
    need([:crypto, :asn1, :public_key, :ssl, :inets])
    {:ok, _} = Application.ensure_all_started(:ssl)
    {:ok, _} = Application.ensure_all_started(:inets)
    get(url, variables, @most_redirects)
  catch
    # This machine has no certificate authorities, or the file of them is invalid.
    kind, reason -> failed(url, Exception.format_banner(kind, reason))
  end

  @doc """
  Lets Mix find `applications` of OTP: since Elixir 1.15 it hides those that the project does not list.
  """
  def need(applications) do
    if function_exported?(Mix, :ensure_application!, 1),
      do: Enum.each(applications, &apply(Mix, :ensure_application!, [&1]))
  end

  defp get("https://" <> _ = url, variables, redirects) do
    case request(url, variables) do
      {:ok, {{_, 200, _}, headers, body}} ->
        whole(url, headers, body)

      {:ok, {{_, status, _}, headers, _}} when status in [301, 302, 303, 307, 308] ->
        case List.keyfind(headers, ~c"location", 0) do
          {_, location} -> follow(url, URI.merge(url, to_string(location)), variables, redirects)
          nil -> failed(url, "the server redirected to no address")
        end

      {:ok, {{_, status, phrase}, _, _}} ->
        failed(url, "the server answered #{status} #{phrase}")

      {:error, reason} ->
        failed(url, describe(reason))
    end
  end

  defp get(url, _, _), do: failed(url, "its address is not HTTPS")

  defp follow(url, _, _, 0),
    do: failed(url, "the server redirected more than #{@most_redirects} times")

  defp follow(_, %{scheme: "https"} = next, variables, redirects),
    do: get(URI.to_string(next), variables, redirects - 1)

  defp follow(url, next, _, _),
    do: failed(url, "the server redirected to #{next}, which is not HTTPS")

  # Each request has a profile of its own, because the proxy of a profile cannot be removed.
  defp request(url, variables) do
    profile = :"bounded_build_#{System.unique_integer([:positive])}"
    {:ok, _} = :inets.start(:httpc, profile: profile)

    try do
      proxy = proxy(url, variables)
      if proxy, do: :ok = :httpc.set_options([https_proxy: address(proxy)], profile)
      times = [timeout: @total_ms, connect_timeout: @connect_ms]
      http = [autoredirect: false, ssl: tls(variables)] ++ times ++ authorization(proxy)
      request = {String.to_charlist(url), [{~c"user-agent", ~c"bounded"}]}
      :httpc.request(:get, request, http, [body_format: :binary], profile)
    after
      :inets.stop(:httpc, profile)
    end
  end

  defp whole(url, headers, body) do
    case List.keyfind(headers, ~c"content-length", 0) do
      {_, length} when length != [] ->
        if byte_size(body) == List.to_integer(length),
          do: {:ok, body},
          else: failed(url, "the connection ended after #{byte_size(body)} of #{length} bytes")

      _ ->
        {:ok, body}
    end
  end

  defp failed(url, reason), do: {:error, "#{url} cannot be downloaded: #{reason}.\n"}

  defp describe({:failed_connect, details}) do
    case for({_, _, reason} <- details, do: reason) do
      [{:tls_alert, {_, text}} | _] ->
        "no TLS connection, #{text |> to_string() |> String.trim()}"

      [reason | _] ->
        "no connection (#{inspect(reason)})"

      [] ->
        "no connection (#{inspect(details)})"
    end
  end

  defp describe(reason) when reason in [:socket_closed_remotely, {:shutdown, :server_closed}],
    do: "the server closed the connection before the end"

  defp describe(reason), do: inspect(reason)

  defp tls(variables) do
    [
      verify: :verify_peer,
      depth: 8,
      log_level: :none,
      customize_hostname_check: [match_fun: :public_key.pkix_verify_hostname_match_fun(:https)]
    ] ++ authorities(set(variables, "HEX_CACERTS_PATH"))
  end

  defp authorities(nil), do: [cacerts: :public_key.cacerts_get()]
  defp authorities(path), do: [cacertfile: String.to_charlist(path)]

  defp proxy(url, variables) do
    with address when address != nil <- either(variables, "HTTPS_PROXY"),
         false <- direct?(URI.parse(url).host, either(variables, "NO_PROXY")) do
      URI.parse(if address =~ "://", do: address, else: "http://" <> address)
    else
      _ -> nil
    end
  end

  # Names and domains, with or without a dot before them.
  defp direct?(_, nil), do: false

  defp direct?(host, list) do
    list
    |> String.split([",", " "], trim: true)
    |> Enum.map(&String.trim_leading(&1, "."))
    |> Enum.any?(&(&1 in ["*", host] or String.ends_with?(host, "." <> &1)))
  end

  defp address(%URI{host: host, port: port}), do: {{String.to_charlist(host), port || 80}, []}

  defp authorization(%URI{userinfo: info}) when is_binary(info) do
    [user, password] = String.split(info <> ":", ":", parts: 2)
    password = String.trim_trailing(password, ":")

    [
      proxy_auth:
        {user |> URI.decode() |> String.to_charlist(),
         password |> URI.decode() |> String.to_charlist()}
    ]
  end

  defp authorization(_), do: []

  defp either(variables, name), do: set(variables, String.downcase(name)) || set(variables, name)

  defp set(variables, name) do
    case variables[name] do
      "" -> nil
      value -> value
    end
  end
end
