"""The existing product's keys that mean nothing here, by the object that they stand in.

They are accepted, so that a file of that product works unchanged, and listed, so that nobody relies
on what they would do there. What stands below them is not looked at. The table holds the names of
its older and newer releases; any other unknown key is an error.
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ROOT = _names("""
    $schema accessGroups acp approvals attachments audio auth bindings broadcast browser
    canvasHost channels cli cloudWorkers commands crestodian cron desktop diagnostics discovery
    env hooks mcp media memory messages meta multiAgent nodeHost plugins proxy secrets security
    session skills surfaces talk telemetry tools transcripts tts ui update vault web wizard
    worktreeAcceleration worktreeRoot
""")

GATEWAY = _names("""
    allowRealIpFallback channelHealthCheckMinutes channelMaxRestartsPerHour
    channelStaleEventThresholdMinutes cliAgents controlUi handshakeTimeoutMs mode nodes
    publicOrigin push readiness reload remote roles tailscale terminal tools trustedProxies
    webchat
""")
GATEWAY_AUTH = _names("allowTailscale identityScopes scopes trustedProxy")
GATEWAY_TLS = _names("autoGenerate caPath")
GATEWAY_HTTP = frozenset({"securityHeaders"})
CHAT_COMPLETIONS = _names("maxBodyBytes maxImageParts maxTotalImageBytes")
RESPONSES = _names("files images maxBodyBytes maxUrlParts")

MODELS = _names("""
    bedrockDiscovery catalogRefresh copilotDiscovery huggingfaceDiscovery mode ollamaDiscovery
    pricing proxy
""")
PROVIDER = _names("""
    agentRuntime auth authHeader contextTokens contextWindow injectNumCtxForOpenAICompat
    localService maxTokens params region request timeoutSeconds
""")
MODEL = _names("""
    agentRuntime api baseUrl compat contextTokens headers mediaInput metadataSource params
    thinkingLevelMap
""")
COST = frozenset({"tieredPricing"})

AGENTS = frozenset({"ownership"})
_AGENT = _names("""
    agentRuntime bootstrapMaxChars bootstrapTotalMaxChars contextInjection contextLimits
    contextTokens cwd embeddedAgent embeddedPi experimental fastModeDefault heartbeat humanDelay
    memorySearch modelPolicy models params reasoningDefault sandbox skills subagents
    thinkingDefault toolProgressDetail typingIntervalSeconds typingMode utilityModel
    verboseDefault workspace
""")
AGENT_DEFAULTS = _AGENT | _names("""
    additionalSystemPrompt authInheritance blockStreamingBreak blockStreamingChunk
    blockStreamingCoalesce blockStreamingDefault bootstrapPromptTruncationWarning cliBackends
    compaction contextPruning elevatedDefault envelopeElapsed envelopeTimestamp envelopeTimezone
    imageGenerationModel imageMaxDimensionPx imageModel imageQuality maxConcurrent
    mediaGenerationAutoProviderFallback mediaMaxMb mediaModels modelSelectionScope
    musicGenerationModel pdfMaxBytesMb pdfMaxMb pdfMaxPages pdfModel promptOverlays repoRoot
    runRetries sessionStore silentReply skipBootstrap skipOptionalBootstrapFiles startupContext
    systemAgent timeFormat userTimezone videoGenerationModel voiceModel
""")
AGENT = _AGENT | _names("""
    agentDir description groupChat identity memory plugins runtime skillsLimits
    statusUpdates tts
""")

TOOLS = _names("alsoAllow byProvider elevated exec fs loopDetection profile sandbox")

LOGGING = _names("audit consoleLevel file maxFileBytes redactPatterns redactSensitive")

REFUSED = {"$include": "is not supported; put what it includes into this file"}
"""Keys that could be left out of sight only at a loss, each with what to do about it."""
